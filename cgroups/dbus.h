// A connection to the system bus for a client that asks one thing at a time (dbus-daemon(1), D-Bus specification).
//
// Owner: one operation; one thread. Not libsystemd: the static programs cannot link it. Every wait ends at the deadline given to connect.
//
//   client                                 bus
//     \0AUTH EXTERNAL hex(uid)  ────────▶
//     ◀────────────────────────  OK guid
//     BEGIN, Hello()            ────────▶
//     ◀────────────────────────  our name       (and NameAcquired, which nobody needs)
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "cgroups/dbus_message.h"

namespace slipway::cgroups::dbus {

inline constexpr const char* kSystemBus = "/run/dbus/system_bus_socket";

class Bus {
 public:
  // failed_precondition where nobody listens.
  static Result<Bus> connect(const std::string& socket, int timeout_ms);
  // Over a connected SOCK_STREAM socket.
  static Result<Bus> over(UniqueFd socket, int timeout_ms);

  // An error reply is an Error whose message begins with the error's D-Bus name; its code is chosen by that name.
  Result<Message> call(const Call& call);
  // Signals that match `rule` are sent to this connection from now on.
  Result<void> add_match(const std::string& rule);
  // The first signal, of those that came since add_match, for which `wanted` says yes; the ones before it are dropped.
  Result<Message> wait_signal(const std::function<bool(const Message&)>& wanted);

 private:
  explicit Bus(UniqueFd socket, MonotonicNanos end) : socket_(std::move(socket)), end_(end) {}
  Result<void> greet();
  Result<void> send(std::string_view bytes);
  Result<void> receive_some();
  Result<void> wait_ready(short events);
  Result<Message> next();

  UniqueFd socket_;
  MonotonicNanos end_;
  std::uint32_t serial_ = 0;
  std::string in_;
  std::deque<Message> signals_;
};

}  // namespace slipway::cgroups::dbus
