// epoll with one event a wait.
#include "monitor/loop.h"

#include <algorithm>
#include <cerrno>

namespace slipway::monitor {

Result<Loop> Loop::open() {
  UniqueFd fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!fd) return fail_errno(errno, "make an epoll");
  return Loop(std::move(fd));
}

Result<bool> Loop::step(MonotonicNanos deadline) {
  int timeout = -1;
  if (deadline != 0) {
    constexpr MonotonicNanos kMillisecond = 1'000'000;
    const MonotonicNanos left = deadline - now_monotonic();
    timeout = left <= 0 ? 0 : static_cast<int>(std::min<MonotonicNanos>(left / kMillisecond + 1, 3'600'000));
  }
  epoll_event event{};
  const int n = ::epoll_wait(fd_.get(), &event, 1, timeout);
  if (n < 0 && errno == EINTR) return true;
  if (n < 0) return fail_errno(errno, "wait for events");
  if (n == 0) return false;
  // Copied (two words, no allocation): the callback may destroy its own Watch.
  const Watch::Callback callback = static_cast<Watch*>(event.data.ptr)->callback_;
  callback(event.events);
  return true;
}

Result<void> Watch::start(Loop& loop, FdRef fd, std::uint32_t events, Callback callback) {
  stop();
  epoll_event event{};
  event.events = events;
  event.data.ptr = this;
  if (::epoll_ctl(loop.fd_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) return fail_errno(errno, "watch descriptor {}", fd.get());
  loop_ = &loop;
  fd_ = fd.get();
  callback_ = std::move(callback);
  return {};
}

Result<void> Watch::change(std::uint32_t events) {
  if (loop_ == nullptr) return {};
  epoll_event event{};
  event.events = events;
  event.data.ptr = this;
  if (::epoll_ctl(loop_->fd_.get(), EPOLL_CTL_MOD, fd_, &event) != 0) return fail_errno(errno, "watch descriptor {}", fd_);
  return {};
}

void Watch::stop() {
  if (loop_ == nullptr) return;
  (void)::epoll_ctl(loop_->fd_.get(), EPOLL_CTL_DEL, fd_, nullptr);
  loop_ = nullptr;
  fd_ = -1;
}

}  // namespace slipway::monitor
