// What every transport does alike: the queue out, the reading as far as somebody takes it, the clock, the end. How a connection reads,
// writes and says farewell is the derived one's.
//
//   start ─▶ read_some … received ─▶ on_bytes          not while paused or full
//   send ──▶ queue ─▶ write … written ─▶ on_writable    one write at a time
//   finish ▶ the queue, then say_farewell; the client has kFarewell to close, what it still sends is thrown away
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "streaming/transports.h"

namespace slipway::streaming {

class QueuedTransport : public Transport, public std::enable_shared_from_this<QueuedTransport> {
 public:
  void start(std::shared_ptr<TransportEvents> events) override;
  void send(std::string bytes) override;
  bool full() const override { return queued_ >= kFull; }
  void pause(bool paused) override;
  void finish() override;
  void abort(const std::string& why) override { gone(why); }

 protected:
  using Failure = boost::system::error_code;

  QueuedTransport(const boost::asio::any_io_executor& loop, std::chrono::seconds idle);

  // Each begins one operation that ends, from the loop, with received(), written() or close().
  virtual void read_some() = 0;
  virtual void write(const std::string& bytes) = 0;
  virtual void say_farewell() = 0;
  virtual Socket& socket() = 0;
  virtual bool open() const { return true; }  // false: its handshake goes on

  void received(const Failure& failure, std::string_view bytes);  // eof: the client has closed
  void written(const Failure& failure);
  void touch() { active_ = Clock::now(); }  // the client gave a sign of life
  // From the beginning of the connection, where start() comes later.
  void keep_time();
  bool closed() const { return closed_; }
  void close();

 private:
  using Clock = std::chrono::steady_clock;

  void gone(const std::string& why);
  void read();
  void write_next();
  void look_later();
  void look();

  boost::asio::steady_timer timer_;
  const std::chrono::seconds idle_;
  Clock::time_point active_;
  Clock::time_point end_;  // set once everything is written after finish()
  std::shared_ptr<TransportEvents> events_;
  std::deque<std::string> queue_;
  std::size_t queued_ = 0;
  bool timed_ = false;
  bool was_full_ = false;
  bool paused_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  bool closed_ = false;
};

}  // namespace slipway::streaming
