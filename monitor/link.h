// The monitor's side of the socket: who may speak, packets in and out.
//
// One controller: the newest that says Hello wins. A connection that breaks the protocol (not uid 0, a truncated or malformed
// packet, no Hello first, more unread packets than kMaxQueued) is closed; nothing else happens to the pod.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "monitor/loop.h"
#include "slipway/monitor.pb.h"

namespace slipway::monitor {

inline constexpr std::size_t kMaxPacket = 64 * 1024;

// A controller's connection by number: replies to one that is gone go nowhere.
using ControllerId = std::uint64_t;

class Requests {
 public:
  virtual void on_request(ControllerId from, Request& request, std::vector<UniqueFd> fds) = 0;

 protected:
  ~Requests() = default;
};

class Link {
 public:
  static constexpr std::size_t kMaxQueued = 1024;

  Link(Loop& loop, Requests& requests) : loop_(loop), requests_(requests) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() { close(); }

  Result<void> listen(const std::string& path);
  void close();  // the listener and its file

  void reply(ControllerId to, const Reply& reply, std::vector<UniqueFd> fds = {});
  void event(const Event& event);  // to the controller that has said Hello, if there is one
  bool flushed() const { return controller_ == nullptr || controller_->queue.empty(); }

 private:
  struct Outgoing {
    std::string data;
    std::vector<UniqueFd> fds;
  };
  struct Connection {
    ControllerId id = 0;
    UniqueFd fd;
    Watch watch;
    bool writable_wanted = false;
    std::deque<Outgoing> queue;
  };

  void on_connect();
  void on_ready(Connection& connection, std::uint32_t events);
  bool receive(Connection& connection);  // false: close it
  bool dispatch(Connection& connection, std::size_t size, std::vector<UniqueFd> fds);
  void send(Connection& connection, const Packet& packet, std::vector<UniqueFd> fds);
  bool flush(Connection& connection);  // false: close it
  void drop(Connection& connection);

  Loop& loop_;
  Requests& requests_;
  std::string path_;
  UniqueFd listener_;
  Watch watch_;
  ControllerId next_id_ = 1;
  std::unique_ptr<Connection> controller_;  // has said Hello
  std::unique_ptr<Connection> newcomer_;    // has not yet
};

}  // namespace slipway::monitor
