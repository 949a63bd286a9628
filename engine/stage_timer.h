// Measures the stages of one operation for the timeline; what a monitor measured is put beneath the stage that waited for it.
//
// One thread; the operation's stack frame owns it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "engine/stage_note.h"
#include "engine/types.h"

namespace slipway::engine {

class StageTimer {
 public:
  // Without a note nobody can ask meanwhile.
  explicit StageTimer(std::shared_ptr<StageNote> note = nullptr) : note_(std::move(note)) {}

  // Ends the stage before it, if there is one.
  void begin(std::string name) {
    end();
    if (note_) note_->set(name);
    open_ = stages_.size();
    stages_.push_back({std::move(name), now_monotonic(), 0, 0});
    is_open_ = true;
  }
  void end() {
    if (is_open_) stages_[open_].duration = now_monotonic() - stages_[open_].start;
    is_open_ = false;
  }
  // monitor::Stage values, beneath the stage that is open.
  template <class Stages>
  void nest(const Stages& measured) {
    for (const auto& stage : measured) stages_.push_back({stage.name(), stage.start(), stage.duration(), 1});
  }
  std::vector<Stage> take() {
    end();
    return std::move(stages_);
  }

 private:
  std::shared_ptr<StageNote> note_;
  std::vector<Stage> stages_;
  std::size_t open_ = 0;
  bool is_open_ = false;
};

}  // namespace slipway::engine
