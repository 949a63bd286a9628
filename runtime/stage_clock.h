// Where the time of an operation went: consecutive named stages.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "runtime/runner.h"

namespace slipway::runtime {

class StageClock {
 public:
  // The stage that began when the previous one ended.
  void end(std::string name) { end(std::move(name), now_monotonic()); }
  // It ended at a time that was noted.
  void end(std::string name, MonotonicNanos at) {
    stages_.push_back({std::move(name), begin_, at - begin_});
    begin_ = at;
  }
  std::vector<Stage> take() { return std::move(stages_); }

 private:
  MonotonicNanos begin_ = now_monotonic();
  std::vector<Stage> stages_;
};

}  // namespace slipway::runtime
