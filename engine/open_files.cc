// One readlink a descriptor: proc_pid_fd(5) names a socket "socket:[INODE]".
#include "engine/open_files.h"

#include <unistd.h>

#include <string_view>

#include "base/format.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

constexpr std::uint64_t kMostLookedAt = 100'000;

bool is_socket(FdRef dir, const std::string& descriptor) {
  constexpr std::string_view kPrefix = "socket:";
  char start[kPrefix.size()];  // readlinkat cuts what is longer
  const ssize_t n = ::readlinkat(dir.get(), descriptor.c_str(), start, sizeof start);
  return n > 0 && std::string_view(start, static_cast<std::size_t>(n)) == kPrefix;
}

}  // namespace

OpenFiles count_open_files(const std::vector<pid_t>& pids) {
  OpenFiles out;
  for (const pid_t pid : pids) {
    const auto dir = sys::open_path(fmt::format("/proc/{}/fd", pid), O_RDONLY | O_DIRECTORY);
    if (!dir.ok()) continue;
    const auto descriptors = sys::list_directory(dir.value());
    if (!descriptors.ok()) continue;
    for (const std::string& descriptor : descriptors.value()) {
      ++out.descriptors;
      if (out.descriptors <= kMostLookedAt && is_socket(dir.value(), descriptor)) ++out.sockets;
    }
  }
  return out;
}

}  // namespace slipway::engine
