// The queue and the clock.
#include "streaming/queued_transport.h"

#include <boost/asio/error.hpp>
#include <utility>

#include "streaming/socket_watch.h"

namespace slipway::streaming {
namespace {

constexpr auto kLook = std::chrono::seconds(1);      // how often a paused connection is asked whether its client lives
constexpr auto kFarewell = std::chrono::seconds(5);  // for the handshake; for the client to close after we are done

}  // namespace

QueuedTransport::QueuedTransport(const boost::asio::any_io_executor& loop, std::chrono::seconds idle)
    : timer_(loop), idle_(idle), active_(Clock::now()) {}

void QueuedTransport::start(std::shared_ptr<TransportEvents> events) {
  events_ = std::move(events);
  keep_time();
  read();
}

void QueuedTransport::send(std::string bytes) {
  if (closed_ || finishing_) return;
  queued_ += bytes.size();
  queue_.push_back(std::move(bytes));
  if (full()) was_full_ = true;
  write_next();
}

void QueuedTransport::pause(bool paused) {
  paused_ = paused;
  read();
}

void QueuedTransport::finish() {
  if (closed_ || finishing_) return;
  finishing_ = true;
  touch();
  events_.reset();
  write_next();
  read();
}

void QueuedTransport::close() {
  if (std::exchange(closed_, true)) return;
  events_.reset();
  Failure ignored;
  timer_.cancel(ignored);
  socket().close(ignored);
}

void QueuedTransport::gone(const std::string& why) {
  const auto events = std::move(events_);
  const bool tell = !closed_ && !finishing_ && events != nullptr;
  close();
  if (tell) events->on_gone(why);
}

void QueuedTransport::read() {
  if (closed_ || reading_ || !open() || (!finishing_ && (paused_ || full()))) return;
  reading_ = true;
  read_some();
}

void QueuedTransport::received(const Failure& failure, std::string_view bytes) {
  reading_ = false;
  if (closed_) return;
  if (failure) return gone(failure == boost::asio::error::eof ? "the client closed the connection" : failure.message());
  touch();
  if (const auto events = events_) events->on_bytes(bytes);
  read();
}

void QueuedTransport::write_next() {
  if (closed_ || writing_) return;
  if (!queue_.empty()) {
    writing_ = true;
    return write(queue_.front());
  }
  if (!finishing_) return;
  writing_ = true;  // the last: nothing follows a farewell
  end_ = Clock::now() + kFarewell;
  say_farewell();
}

void QueuedTransport::written(const Failure& failure) {
  writing_ = false;
  if (closed_) return;
  if (failure) return gone(failure.message());
  touch();
  queued_ -= queue_.front().size();
  queue_.pop_front();
  write_next();
  if (!was_full_ || queued_ > kFull / 2) return;
  was_full_ = false;
  if (const auto events = events_) events->on_writable();
  read();
}

void QueuedTransport::keep_time() {
  if (!std::exchange(timed_, true)) look_later();
}

void QueuedTransport::look_later() {
  timer_.expires_after(kLook);
  timer_.async_wait([self = shared_from_this()](const Failure& failure) {
    if (!failure && !self->closed_) self->look();
  });
}

void QueuedTransport::look() {
  const auto now = Clock::now();
  const auto quiet = now - active_;
  const bool bidden = end_ != Clock::time_point{};
  if (bidden && now >= end_) return close();
  if (!bidden && (finishing_ || !open()) && quiet > kFarewell) return close();  // it does not even read any more
  if (quiet >= idle_) return gone("the connection was idle for too long");
  if (!reading_ && open() && peer_is_gone(socket().native_handle())) return gone("the client closed the connection");
  look_later();
}

}  // namespace slipway::streaming
