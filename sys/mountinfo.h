// /proc/PID/mountinfo as values (proc_pid_mountinfo(5)): what is mounted where in a mount namespace.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::sys {

struct MountLine {
  std::uint64_t id = 0;
  std::uint64_t parent = 0;
  unsigned major = 0;  // of the file system, as stat(2) tells it
  unsigned minor = 0;
  std::string root;     // what of the file system is mounted: "/" for all of it
  std::string point;    // where, as the process sees it
  std::string type;     // "ext4"
  bool shared = false;  // has peers
  bool slave = false;   // hears a master
};

// Pure. Escapes (\040) are undone.
Result<std::vector<MountLine>> parse_mountinfo(std::string_view text);
Result<std::vector<MountLine>> read_mountinfo(const std::string& path);

// The mount that what the descriptor stands for lies in: MountLine's id.
Result<std::uint64_t> mount_id(FdRef object);

}  // namespace slipway::sys
