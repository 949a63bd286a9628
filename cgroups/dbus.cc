// The client's side of a D-Bus connection.
#include "cgroups/dbus.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/socket.h"

namespace slipway::cgroups::dbus {
namespace {

constexpr MonotonicNanos kNanosPerMilli = 1'000'000;
constexpr std::size_t kMaxLine = 512;     // of the authentication
constexpr std::size_t kMostSignals = 64;  // kept while a reply is awaited
constexpr const char* kBusName = "org.freedesktop.DBus";
constexpr const char* kBusPath = "/org/freedesktop/DBus";

// Error names are part of the interfaces; texts are for people.
Code code_of(std::string_view name) {
  struct Known {
    std::string_view name;
    Code code;
  };
  constexpr Known kKnown[] = {
      {"org.freedesktop.systemd1.NoSuchUnit", Code::not_found},
      {"org.freedesktop.systemd1.UnitExists", Code::already_exists},
      {"org.freedesktop.DBus.Error.AccessDenied", Code::permission_denied},
      {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", Code::permission_denied},
      {"org.freedesktop.DBus.Error.InvalidArgs", Code::invalid_argument},
      {"org.freedesktop.DBus.Error.PropertyReadOnly", Code::unimplemented},
      {"org.freedesktop.DBus.Error.UnknownProperty", Code::unimplemented},
      {"org.freedesktop.DBus.Error.UnknownMethod", Code::unimplemented},
      {"org.freedesktop.DBus.Error.LimitsExceeded", Code::resource_exhausted},
      {"org.freedesktop.DBus.Error.ServiceUnknown", Code::failed_precondition},
      {"org.freedesktop.DBus.Error.NameHasNoOwner", Code::failed_precondition},
      {"org.freedesktop.DBus.Error.NoReply", Code::unavailable},
      {"org.freedesktop.DBus.Error.Disconnected", Code::unavailable},
      {"org.freedesktop.DBus.Error.Timeout", Code::deadline_exceeded},
  };
  const auto* found = std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& known) { return known.name == name; });
  return found == std::end(kKnown) ? Code::internal : found->code;
}

Error to_error(const Message& message) {
  Reader in(message.body);
  std::string text;
  if (message.signature.starts_with("s")) {
    if (const auto said = in.string(); said.ok()) text = said.value();
  }
  return fail(code_of(message.error_name), "{}: {}", message.error_name, text);
}

Call bus_call(std::string member) {
  return {kBusName, kBusPath, kBusName, std::move(member)};
}

}  // namespace

Result<Bus> Bus::connect(const std::string& socket, int timeout_ms) {
  auto connected = sys::connect_unix(socket, SOCK_STREAM);
  if (!connected.ok()) {
    const int err = connected.error().sys_errno;
    if (err == ENOENT || err == ECONNREFUSED) return fail(Code::failed_precondition, "no D-Bus system bus listens at {}", socket);
    return std::move(connected).error();
  }
  return over(std::move(connected).take(), timeout_ms);
}

Result<Bus> Bus::over(UniqueFd socket, int timeout_ms) {
  TRY(sys::set_nonblocking(socket));
  Bus bus(std::move(socket), now_monotonic() + timeout_ms * kNanosPerMilli);
  TRY(bus.greet());
  return bus;
}

Result<void> Bus::greet() {
  std::string uid;
  for (const char c : fmt::format("{}", ::geteuid())) uid += fmt::format("{:02x}", static_cast<unsigned>(c));
  TRY(send(std::string(1, '\0') + "AUTH EXTERNAL " + uid + "\r\n"));
  std::size_t end = std::string::npos;
  while ((end = in_.find("\r\n")) == std::string::npos) {
    if (in_.size() > kMaxLine) return fail(Code::data_loss, "the bus answers the authentication with too long a line");
    TRY(receive_some());
  }
  if (!in_.starts_with("OK ")) return fail(Code::permission_denied, "the bus refuses us: '{}'", in_.substr(0, end));
  in_.erase(0, end + 2);
  TRY(send("BEGIN\r\n"));
  TRY(call(bus_call("Hello")));
  return {};
}

Result<void> Bus::wait_ready(short events) {
  for (;;) {
    const MonotonicNanos left = end_ - now_monotonic();
    if (left <= 0) return fail(Code::deadline_exceeded, "the bus did not answer in time");
    pollfd poll{socket_.get(), events, 0};
    const int n = ::poll(&poll, 1, static_cast<int>(std::min<MonotonicNanos>(left / kNanosPerMilli + 1, 60'000)));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return fail_errno(errno, "wait for the bus");
  }
}

Result<void> Bus::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = sys::retry_eintr([&] { return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); });
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      TRY(wait_ready(POLLOUT));
    } else {
      return fail_errno(errno, "write to the bus");
    }
  }
  return {};
}

Result<void> Bus::receive_some() {
  char part[4096];
  for (;;) {
    const ssize_t n = sys::retry_eintr([&] { return ::recv(socket_.get(), part, sizeof part, 0); });
    if (n > 0) {
      in_.append(part, static_cast<std::size_t>(n));
      return {};
    }
    if (n == 0) return fail(Code::unavailable, "the bus closed the connection");
    if (errno != EAGAIN) return fail_errno(errno, "read from the bus");
    TRY(wait_ready(POLLIN));
  }
}

Result<Message> Bus::next() {
  while (in_.size() < kFixedHeader) TRY(receive_some());
  TRY_ASSIGN(const std::size_t size, message_size(in_));
  while (in_.size() < size) TRY(receive_some());
  TRY_ASSIGN(Message message, decode(std::string_view(in_).substr(0, size)));
  in_.erase(0, size);
  return message;
}

Result<Message> Bus::call(const Call& call) {
  const std::uint32_t serial = ++serial_;
  TRY(send(encode_call(serial, call)));
  for (;;) {
    TRY_ASSIGN(Message message, next());
    const bool reply = message.type == Type::method_return || message.type == Type::error;
    if (reply && message.reply_to == serial) {
      if (message.type == Type::error) return to_error(message);
      return message;
    }
    if (message.type != Type::signal) continue;
    if (signals_.size() == kMostSignals) return fail(Code::resource_exhausted, "{} signals came before a reply", kMostSignals);
    signals_.push_back(std::move(message));
  }
}

Result<void> Bus::add_match(const std::string& rule) {
  Call match = bus_call("AddMatch");
  Writer body;
  body.string(rule);
  match.signature = "s";
  match.body = body.bytes();
  TRY(call(match));
  return {};
}

Result<Message> Bus::wait_signal(const std::function<bool(const Message&)>& wanted) {
  for (;;) {
    while (!signals_.empty()) {
      Message message = std::move(signals_.front());
      signals_.pop_front();
      if (wanted(message)) return message;
    }
    TRY_ASSIGN(Message message, next());
    if (message.type == Type::signal) signals_.push_back(std::move(message));
  }
}

}  // namespace slipway::cgroups::dbus
