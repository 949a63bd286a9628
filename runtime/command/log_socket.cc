// Datagrams of syslog and of the journal.
#include "runtime/command/log_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include "sys/socket.h"

namespace slipway::runtime::command {
namespace {

constexpr std::size_t kMost = 8000;  // any system's socket takes so much, and rsyslog a line of it
constexpr int kDaemon = 3;           // LOG_DAEMON's number

Result<UniqueFd> reach(LogService service) {
  const bool journal = service == LogService::journal;
  const char* path = journal ? "/run/systemd/journal/socket" : "/dev/log";
  auto socket = sys::connect_unix(path, SOCK_DGRAM);
  if (socket.ok()) return socket;
  return fail(Code::failed_precondition, "no {} listens at {}: {}", journal ? "journal" : "syslog", path, socket.error().message);
}

// A value of several lines goes by its length, little endian.
std::string field(std::string_view name, std::string_view value) {
  if (value.find('\n') == std::string_view::npos) return fmt::format("{}={}\n", name, value);
  std::string out = fmt::format("{}\n", name);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(static_cast<std::uint64_t>(value.size()) >> (8 * i));
  out += value;
  return out + "\n";
}

}  // namespace

Result<void> find_log(LogService service) {
  TRY(reach(service));
  return {};
}

Result<void> send_to_log(LogService service, std::string_view name, Severity severity, std::string_view message) {
  TRY_ASSIGN(const UniqueFd socket, reach(service));
  message = message.substr(0, kMost);
  const auto level = static_cast<int>(severity);
  const std::string text = service == LogService::journal
                               ? field("PRIORITY", fmt::format("{}", level)) + field("SYSLOG_IDENTIFIER", name) + field("MESSAGE", message)
                               : fmt::format("<{}>{}[{}]: {}", kDaemon << 3 | level, name, ::getpid(), message);
  return sys::send_packet(socket, text).context("--log");
}

}  // namespace slipway::runtime::command
