// A TCP connection as a transport.
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <utility>

#include "streaming/socket_watch.h"
#include "streaming/transports.h"

namespace slipway::streaming {
namespace {

namespace asio = boost::asio;
using Failure = boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::seconds(1);      // how often a paused connection is asked whether its client lives
constexpr auto kFarewell = std::chrono::seconds(5);  // for the client to close after we are done

class TcpTransport final : public Transport, public std::enable_shared_from_this<TcpTransport> {
 public:
  TcpTransport(Socket socket, std::string early, std::chrono::seconds idle)
      : socket_(std::move(socket)), timer_(socket_.get_executor()), early_(std::move(early)), idle_(idle), active_(Clock::now()) {
    Failure ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket_.set_option(asio::socket_base::keep_alive(true), ignored);
  }

  void start(std::shared_ptr<TransportEvents> events) override {
    events_ = std::move(events);
    look_later();
    if (early_.empty()) return read();
    // From the loop: whoever starts us is still at work.
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
      const std::string early = std::exchange(self->early_, {});
      if (self->events_) self->events_->on_bytes(early);
      self->read();
    });
  }

  void send(std::string bytes) override {
    if (closed_ || finishing_) return;
    queued_ += bytes.size();
    queue_.push_back(std::move(bytes));
    if (full()) was_full_ = true;
    write();
  }

  bool full() const override { return queued_ >= kFull; }

  void pause(bool paused) override {
    paused_ = paused;
    read();
  }

  void finish() override {
    if (closed_ || finishing_) return;
    finishing_ = true;
    events_.reset();
    write();
    read();  // what still comes is thrown away until the client closes
  }

  void abort(const std::string& why) override { gone(why); }

 private:
  void close() {
    if (std::exchange(closed_, true)) return;
    events_.reset();
    Failure ignored;
    timer_.cancel(ignored);
    socket_.close(ignored);
  }

  void gone(const std::string& why) {
    const auto events = std::move(events_);
    const bool tell = !closed_ && !finishing_ && events != nullptr;
    close();
    if (tell) events->on_gone(why);
  }

  void read() {
    if (closed_ || reading_ || (!finishing_ && (paused_ || full()))) return;
    reading_ = true;
    socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](const Failure& failure, std::size_t n) {
      self->reading_ = false;
      if (self->closed_) return;
      if (failure) return self->gone(failure == asio::error::eof ? "the client closed the connection" : failure.message());
      self->active_ = Clock::now();
      if (const auto events = self->events_) events->on_bytes({self->buffer_.data(), n});
      self->read();
    });
  }

  void write() {
    if (closed_ || writing_) return;
    if (queue_.empty()) {
      if (!finishing_) return;
      Failure ignored;
      socket_.shutdown(asio::socket_base::shutdown_send, ignored);
      end_ = Clock::now() + kFarewell;
      return;
    }
    writing_ = true;
    asio::async_write(socket_, asio::buffer(queue_.front()), [self = shared_from_this()](const Failure& failure, std::size_t) {
      self->writing_ = false;
      if (self->closed_) return;
      if (failure) return self->gone(failure.message());
      self->active_ = Clock::now();
      self->queued_ -= self->queue_.front().size();
      self->queue_.pop_front();
      self->write();
      self->tell_writable();
    });
  }

  void tell_writable() {
    if (!was_full_ || queued_ > kFull / 2) return;
    was_full_ = false;
    if (const auto events = events_) events->on_writable();
    read();
  }

  void look_later() {
    timer_.expires_after(kLook);
    timer_.async_wait([self = shared_from_this()](const Failure& failure) {
      if (!failure && !self->closed_) self->look();
    });
  }

  void look() {
    const auto now = Clock::now();
    if (finishing_ && end_ == Clock::time_point{} && now - active_ > kFarewell) return close();  // it does not even read any more
    if (end_ != Clock::time_point{} && now >= end_) return close();
    if (now - active_ >= idle_) return gone("the connection was idle for too long");
    if (!reading_ && peer_is_gone(socket_.native_handle())) return gone("the client closed the connection");
    look_later();
  }

  Socket socket_;
  asio::steady_timer timer_;
  std::string early_;
  const std::chrono::seconds idle_;
  Clock::time_point active_;
  Clock::time_point end_;  // set once everything is written after finish()
  std::shared_ptr<TransportEvents> events_;
  std::array<char, 32 * 1024> buffer_;
  std::deque<std::string> queue_;
  std::size_t queued_ = 0;
  bool was_full_ = false;
  bool paused_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<Transport> make_tcp_transport(Socket socket, std::string early, std::chrono::seconds idle) {
  return std::make_shared<TcpTransport>(std::move(socket), std::move(early), idle);
}

}  // namespace slipway::streaming
