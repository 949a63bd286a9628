// SSL_do_handshake, stepped as its socket becomes ready.
#include "streaming/handshakes.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "base/log.h"

namespace slipway::streaming {

namespace asio = boost::asio;
using Failure = boost::system::error_code;

class Handshakes::One : public std::enable_shared_from_this<One> {
 public:
  One(asio::io_context& loop, UniqueFd socket, SslPtr ssl) : timer_(loop), socket_(loop), ssl_(std::move(ssl)) {
    Failure failure;
    const int number = socket.release();
    socket_.assign(number, failure);
    if (failure) UniqueFd(number).reset();
  }

  void run(std::chrono::seconds patience, const Done& done) {
    timer_.expires_after(patience);
    timer_.async_wait([self = shared_from_this()](const Failure& failure) {
      if (!failure) self->close("it takes too long");
    });
    step(done);
  }

  void close(const std::string& why) {
    if (socket_.is_open()) log::debug("streaming: a TLS handshake came to nothing: {}", why);
    Failure ignored;
    timer_.cancel(ignored);
    socket_.close(ignored);
  }

 private:
  void step(const Done& done) {
    if (!socket_.is_open()) return;
    ERR_clear_error();
    errno = 0;
    const int returned = SSL_do_handshake(ssl_.get());
    const TlsStep came = step_of(ssl_.get(), returned);
    if (came == TlsStep::failed) {
      why_ = reason_of(ssl_.get(), returned);
      (void)::shutdown(socket_.native_handle(), SHUT_WR);
      return linger();
    }
    if (came != TlsStep::done) {
      const auto ready =
          came == TlsStep::wants_read ? asio::posix::stream_descriptor::wait_read : asio::posix::stream_descriptor::wait_write;
      return socket_.async_wait(ready, [self = shared_from_this(), done](const Failure& failure) {
        if (!failure) self->step(done);
      });
    }
    Failure ignored;
    timer_.cancel(ignored);
    done(UniqueFd(socket_.release()), std::move(ssl_));
  }

  // With unread bytes of the client's a close would be a reset, and the alert that says why be lost on its way.
  void linger() {
    std::array<char, 4096> thrown_away;
    for (;;) {
      const ssize_t n = ::recv(socket_.native_handle(), thrown_away.data(), thrown_away.size(), MSG_DONTWAIT);
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      if (n <= 0 || (left_ -= static_cast<std::size_t>(n)) > kMostThrownAway) return close(why_);
    }
    socket_.async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](const Failure& failure) {
      if (!failure && self->socket_.is_open()) self->linger();
    });
  }

  static constexpr std::size_t kMostThrownAway = 64 * 1024;

  asio::steady_timer timer_;
  asio::posix::stream_descriptor socket_;
  SslPtr ssl_;
  std::string why_;
  std::size_t left_ = kMostThrownAway;  // beyond any count: more came
};

Handshakes::Handshakes(TlsCredentials credentials, std::chrono::seconds patience, Done done)
    : credentials_(std::move(credentials)), patience_(patience), done_(std::move(done)), work_(loop_.get_executor()), thread_([this] {
        for (;;) {
          try {
            loop_.run();
            return;
          } catch (const std::exception& error) {  // memory
            log::error("streaming: handshake: {}", error.what());
          }
        }
      }) {}

// Connections come faster than this thread's arithmetic answers them: what waits is bounded too, or strangers would hold all descriptors.
void Handshakes::begin(UniqueFd socket) {
  UniqueFd gone;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(socket));
    if (waiting_.size() > kMost) {
      gone = std::move(waiting_.front());
      waiting_.pop_front();
      return;  // the one that was to take it takes the next
    }
  }
  asio::post(loop_, [this] { add_next(); });
}

void Handshakes::add_next() {
  UniqueFd socket;
  {
    const std::lock_guard lock(mutex_);
    socket = std::move(waiting_.front());
    waiting_.pop_front();
  }
  add(std::move(socket));
}

void Handshakes::add(UniqueFd socket) {
  std::erase_if(running_, [](const auto& each) { return each.expired(); });
  if (running_.size() >= kMost) {
    if (const auto oldest = running_.front().lock()) oldest->close("others want to come in");
    running_.pop_front();
  }
  auto ssl = credentials_.accept(socket);
  if (!ssl.ok()) return log::warn("streaming: {}", ssl.error().message);
  const auto one = std::make_shared<One>(loop_, std::move(socket), std::move(ssl).take());
  running_.push_back(one);
  one->run(patience_, done_);
}

void Handshakes::stop() {
  if (!thread_.joinable()) return;
  asio::post(loop_, [this] {
    for (const auto& each : running_)
      if (const auto one = each.lock()) one->close("slipwayd is shutting down");
    work_.reset();
  });
  thread_.join();
}

}  // namespace slipway::streaming
