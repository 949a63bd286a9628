// TLS handshakes of clients that nobody knows yet, on a thread of their own: their arithmetic keeps no session waiting.
//
// Bounded: kMost at once and as many that wait for their first step; whoever is slowest, or waits longest, makes room. Each ends within
// `patience`. Any thread may begin one; `done` is called
// on that thread, and not at all for a handshake that failed: strangers are told nothing.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "base/unique_fd.h"
#include "streaming/tls.h"

namespace slipway::streaming {

class Handshakes {
 public:
  static constexpr std::size_t kMost = 64;
  using Done = std::function<void(UniqueFd socket, SslPtr ssl)>;

  Handshakes(TlsCredentials credentials, std::chrono::seconds patience, Done done);
  Handshakes(const Handshakes&) = delete;
  Handshakes& operator=(const Handshakes&) = delete;
  ~Handshakes() { stop(); }

  void begin(UniqueFd socket);
  void stop();

 private:
  class One;

  void add_next();
  void add(UniqueFd socket);

  TlsCredentials credentials_;
  const std::chrono::seconds patience_;
  const Done done_;
  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::list<std::weak_ptr<One>> running_;  // the oldest first
  std::mutex mutex_;
  std::deque<UniqueFd> waiting_;  // the oldest first; each has one post of the loop's
  std::thread thread_;
};

}  // namespace slipway::streaming
