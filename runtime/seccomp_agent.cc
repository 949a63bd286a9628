// The agent's message.
#include "runtime/seccomp_agent.h"

#include <sys/socket.h>

#include "oci/json.h"
#include "sys/socket.h"

namespace slipway::runtime {

std::string write_process_state(const oci::Seccomp& profile, const ContainerRecord& record, Status status, pid_t pid) {
  std::string out = "{\"ociVersion\":";
  oci::json::append_quoted(out, record.oci_version);
  out += fmt::format(",\"fds\":[\"seccompFd\"],\"pid\":{}", pid);
  if (!profile.listener_metadata.empty()) {
    out += ",\"metadata\":";
    oci::json::append_quoted(out, profile.listener_metadata);
  }
  return out + ",\"state\":" + write_hook_state(record, status) + "}";
}

Result<void> send_listener(const oci::Seccomp& profile, const ContainerRecord& record, Status status, pid_t pid, FdRef listener) {
  const std::string field = fmt::format("linux.seccomp.listenerPath '{}'", profile.listener_path);
  auto socket = sys::connect_unix(profile.listener_path, SOCK_STREAM);
  if (!socket.ok()) return std::move(socket).error().within("{}", field);
  const int fd = listener.get();
  auto sent = sys::send_packet(socket.value(), write_process_state(profile, record, status, pid), {&fd, 1});
  if (!sent.ok()) return std::move(sent).error().within("{}", field);
  return {};
}

}  // namespace slipway::runtime
