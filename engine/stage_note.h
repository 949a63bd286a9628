// What an operation is doing right now, for whoever waits for it too long: its name, its stage, since when.
//
// The operation's thread writes, any thread reads.
#pragma once

#include <mutex>
#include <string>
#include <utility>

#include "base/format.h"
#include "base/time.h"

namespace slipway::engine {

class StageNote {
 public:
  explicit StageNote(std::string operation) : operation_(std::move(operation)) {}

  void set(std::string stage) {
    const std::lock_guard lock(mutex_);
    stage_ = std::move(stage);
    since_ = now_monotonic();
  }

  // "RunPodSandbox is in its stage 'network' since 73 s"
  std::string text() const {
    const std::lock_guard lock(mutex_);
    const auto seconds = (now_monotonic() - since_) / 1'000'000'000;
    if (stage_.empty()) return fmt::format("{} is at work since {} s", operation_, seconds);
    return fmt::format("{} is in its stage '{}' since {} s", operation_, stage_, seconds);
  }

 private:
  const std::string operation_;
  mutable std::mutex mutex_;
  std::string stage_;
  MonotonicNanos since_ = now_monotonic();
};

}  // namespace slipway::engine
