// Between a descriptor and a client: what a process says is read as far as the client takes it, what the client says is kept until the
// process takes it.
//
// Loop thread only. The descriptors are non-blocking; a pump owns its own. Callbacks are dropped by stop(), which may be called from one.
#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace slipway::streaming {

// Reads until the end of the stream, or, after last(), until nothing is there.
class OutputPump : public std::enable_shared_from_this<OutputPump> {
 public:
  struct Client {
    std::function<bool()> full;  // take no more now; resume() follows
    std::function<void(std::string_view)> data;
    std::function<void()> end;
  };

  OutputPump(const boost::asio::any_io_executor& loop, UniqueFd fd, Client client);
  void start() { read(); }
  void resume() { read(); }
  // The process has ended: what it left is read (a pipe's worth at most, also where a grandchild goes on writing), then comes the end.
  void last();
  void stop();

 private:
  static constexpr std::size_t kLast = 1 << 20;
  void read();
  void wait();
  void go_on_later();
  void end();

  boost::asio::posix::stream_descriptor fd_;
  Client client_;
  bool waiting_ = false;
  bool last_ = false;
  bool stopped_ = false;
  std::size_t left_ = kLast;
  std::array<char, 32 * 1024> buffer_;
};

// Bounded by who fills it: size() tells how much waits.
class InputPump : public std::enable_shared_from_this<InputPump> {
 public:
  // `changed`: some of what waited has been taken.
  InputPump(const boost::asio::any_io_executor& loop, std::function<void()> changed);
  // Input may come before there is somebody to take it. Not valid: it is thrown away.
  void start(UniqueFd fd);
  void push(std::string_view bytes);
  // After what waits has been written: the descriptor is closed (a socket: its sending half).
  void finish();
  std::size_t size() const { return queue_.size() - taken_; }
  bool done() const { return stopped_; }
  void stop();

 private:
  void write();

  boost::asio::posix::stream_descriptor fd_;
  std::function<void()> changed_;
  std::string queue_;
  std::size_t taken_ = 0;  // of queue_, at its front
  bool started_ = false;
  bool waiting_ = false;
  bool finishing_ = false;
  bool stopped_ = false;
};

}  // namespace slipway::streaming
