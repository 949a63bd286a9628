// Reading and writing with readiness from the loop.
#include "streaming/pumps.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "sys/file.h"

namespace slipway::streaming {
namespace {

using Descriptor = boost::asio::posix::stream_descriptor;
using Failure = boost::system::error_code;

constexpr std::size_t kTurn = 1 << 20;  // then the loop's others come

}  // namespace

OutputPump::OutputPump(const boost::asio::any_io_executor& loop, UniqueFd fd, Client client) : fd_(loop), client_(std::move(client)) {
  Failure failure;
  const int number = fd.release();
  fd_.assign(number, failure);
  if (failure) UniqueFd(number).reset();  // nothing to watch: read() says end
}

void OutputPump::read() {
  if (waiting_ || stopped_) return;
  const auto self = shared_from_this();  // a callback may drop us
  // A client that has closed the stream never gets full, and a process may write faster than this reads.
  for (std::size_t taken = 0; !stopped_ && !client_.full();) {
    if (taken >= kTurn) return go_on_later();
    const std::size_t wanted = last_ ? std::min(buffer_.size(), left_) : buffer_.size();
    const ssize_t n = wanted == 0 ? 0 : sys::retry_eintr([&] { return ::read(fd_.native_handle(), buffer_.data(), wanted); });
    if (n < 0 && errno == EAGAIN && !last_) return wait();
    if (n <= 0) return end();  // also EIO: a terminal that nobody holds open
    taken += static_cast<std::size_t>(n);
    left_ -= last_ ? static_cast<std::size_t>(n) : 0;
    client_.data({buffer_.data(), static_cast<std::size_t>(n)});
  }
}

void OutputPump::wait() {
  waiting_ = true;
  fd_.async_wait(Descriptor::wait_read, [self = shared_from_this()](const Failure&) {
    self->waiting_ = false;
    self->read();
  });
}

void OutputPump::go_on_later() {
  waiting_ = true;
  boost::asio::post(fd_.get_executor(), [self = shared_from_this()] {
    self->waiting_ = false;
    self->read();
  });
}

void OutputPump::last() {
  if (stopped_) return;
  last_ = true;
  Failure ignored;
  fd_.cancel(ignored);  // the wait returns and reads
  if (!waiting_) read();
}

void OutputPump::end() {
  const auto done = std::move(client_.end);
  stop();
  if (done) done();
}

void OutputPump::stop() {
  if (std::exchange(stopped_, true)) return;
  Failure ignored;
  fd_.close(ignored);
}

InputPump::InputPump(const boost::asio::any_io_executor& loop, std::function<void()> changed) : fd_(loop), changed_(std::move(changed)) {}

void InputPump::start(UniqueFd fd) {
  started_ = true;
  if (!fd) return stop();
  Failure failure;
  const int number = fd.release();
  fd_.assign(number, failure);
  if (failure) {
    UniqueFd(number).reset();
    return stop();
  }
  write();
}

void InputPump::push(std::string_view bytes) {
  if (stopped_ || finishing_) return;
  if (taken_ > 0 && taken_ == queue_.size()) {
    queue_.clear();
    taken_ = 0;
  }
  queue_ += bytes;
  write();
}

void InputPump::finish() {
  finishing_ = true;
  write();
}

void InputPump::write() {
  if (!started_ || waiting_ || stopped_) return;
  while (taken_ < queue_.size()) {
    const ssize_t n = sys::retry_eintr([&] { return ::write(fd_.native_handle(), queue_.data() + taken_, queue_.size() - taken_); });
    if (n < 0 && errno == EAGAIN) {
      waiting_ = true;
      fd_.async_wait(Descriptor::wait_write, [self = shared_from_this()](const Failure&) {
        self->waiting_ = false;
        if (self->stopped_) return;
        self->write();
        self->changed_();
      });
      return;
    }
    if (n < 0) return stop();  // EPIPE: nobody takes input any more, which is no fault of the client's
    taken_ += static_cast<std::size_t>(n);
  }
  queue_.clear();
  taken_ = 0;
  if (!finishing_) return;
  (void)::shutdown(fd_.native_handle(), SHUT_WR);  // ENOTSOCK of a pipe: its close says the same
  stop();
}

void InputPump::stop() {
  if (std::exchange(stopped_, true)) return;
  queue_ = std::string();
  taken_ = 0;
  Failure ignored;
  if (fd_.is_open()) fd_.close(ignored);
}

}  // namespace slipway::streaming
