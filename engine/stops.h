// StopContainer calls in flight: the first one acts, later ones join it and may shorten its grace.
//
// Any thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "engine/locks.h"

namespace slipway::engine {

class Stops {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kLongest = std::chrono::hours(24 * 365);  // a stop bounds itself: grace, then kill

  // When the grace of the stop in flight ends; asked again after each wake.
  class Deadline {
   public:
    Clock::time_point get() const {
      const std::lock_guard lock(mutex_);
      return at_;
    }
    void shorten(Clock::time_point at) {
      const std::lock_guard lock(mutex_);
      if (at < at_) at_ = at;
    }
    explicit Deadline(Clock::time_point at) : at_(at) {}

   private:
    mutable std::mutex mutex_;
    Clock::time_point at_;
  };

  // Runs `act` unless one runs for this id: then shortens that one's deadline, calls `woken`, and waits for its result.
  Result<void> join(const std::string& id, Clock::time_point deadline, const std::function<Result<void>(const Deadline&)>& act,
                    const std::function<void()>& woken) {
    std::shared_ptr<Deadline> shared;
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      std::weak_ptr<Deadline>& slot = deadlines_[id];
      shared = slot.lock();
      if (!shared) {
        shared = std::make_shared<Deadline>(deadline);
        slot = shared;
        first = true;
      }
    }
    if (!first) {
      shared->shorten(deadline);
      woken();
    }
    const Result<bool> done = flights_.join(id, "StopContainer", kLongest, [&](const auto&) -> Result<bool> {
      TRY(act(*shared));
      return true;
    });
    const std::lock_guard lock(mutex_);
    shared.reset();
    if (const auto found = deadlines_.find(id); found != deadlines_.end() && found->second.expired()) deadlines_.erase(found);
    if (!done.ok()) return done.error();
    return {};
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<Deadline>> deadlines_;
  InFlight<bool> flights_;
};

}  // namespace slipway::engine
