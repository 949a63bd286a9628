// What an operation is doing right now, for whoever waits for it too long: its name, its stage, since when.
//
// The operation's thread writes, any thread reads. A StageWatch follows the notes of what one thread works on, for its client.
#pragma once

#include <memory>
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

class StageWatch {
 public:
  // What this thread works on or waits for, until the end of the scope.
  class Scope {
   public:
    explicit Scope(StageWatch& watch) : before_(std::exchange(current(), &watch)) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { current() = before_; }

   private:
    StageWatch* before_;
  };

  // Nothing where nobody watches.
  static void follow(std::shared_ptr<const StageNote> note) {
    StageWatch* watch = current();
    if (watch == nullptr || note == nullptr) return;
    const std::lock_guard lock(watch->mutex_);
    watch->note_ = std::move(note);
  }

  // Empty: nothing was noted yet. Any thread.
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return note_ == nullptr ? "" : note_->text();
  }

 private:
  static StageWatch*& current() {
    static thread_local StageWatch* watch = nullptr;
    return watch;
  }

  mutable std::mutex mutex_;
  std::shared_ptr<const StageNote> note_;
};

}  // namespace slipway::engine
