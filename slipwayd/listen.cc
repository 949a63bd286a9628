// Socket files.
#include "slipwayd/listen.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include "sys/file.h"
#include "sys/socket.h"

namespace slipway::daemon {
namespace {

std::string path_of(const std::string& address) {
  return address.substr(std::string_view("unix://").size());
}

}  // namespace

Result<void> clear_socket(const std::string& address) {
  const std::string path = path_of(address);
  const std::string directory = path.substr(0, path.rfind('/'));
  if (!directory.empty()) TRY(sys::make_directories(directory, 0711).context("listen on {}", address));
  struct stat st = {};
  if (::lstat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, "listen on {}", address);
  }
  if (!S_ISSOCK(st.st_mode)) return fail(Code::already_exists, "listen on {}: the file there is no socket", address);
  const auto other = sys::connect_unix(path, SOCK_STREAM);
  if (other.ok()) return fail(Code::already_exists, "listen on {}: another program listens there", address);
  if (other.error().sys_errno != ECONNREFUSED && other.error().sys_errno != ENOENT) return other.error();
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, "remove the stale socket {}", path);
  return {};
}

Result<void> restrict_socket(const std::string& address) {
  const std::string path = path_of(address);
  if (::chmod(path.c_str(), 0660) != 0) return fail_errno(errno, "set the mode of {}", path);
  return {};
}

}  // namespace slipway::daemon
