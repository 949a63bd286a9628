// The monitor's one loop: descriptors and what to call when they are ready (epoll(7)).
//
// One thread. A callback may destroy any Watch, its own too: one event is taken per wait, so none is ever stale.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"

namespace slipway::monitor {

class Loop {
 public:
  static Result<Loop> open();

  // Waits for one event until `deadline` (CLOCK_MONOTONIC, 0 = no end) and calls its callback. False: the deadline has passed.
  Result<bool> step(MonotonicNanos deadline);

 private:
  friend class Watch;
  explicit Loop(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// One descriptor in the loop. The descriptor is borrowed: stop (or destroy) the Watch before closing it.
class Watch {
 public:
  using Callback = std::function<void(std::uint32_t events)>;

  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { stop(); }

  Result<void> start(Loop& loop, FdRef fd, std::uint32_t events, Callback callback);
  Result<void> change(std::uint32_t events);
  void stop();
  bool active() const { return loop_ != nullptr; }

 private:
  friend class Loop;
  Loop* loop_ = nullptr;
  int fd_ = -1;
  Callback callback_;
};

}  // namespace slipway::monitor
