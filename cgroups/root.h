// Where this host keeps its cgroup v2 tree, and where in it a process lives.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::cgroups {

// The mount of cgroup2: /sys/fs/cgroup, or /sys/fs/cgroup/unified on a hybrid host. Found by the file system's magic number.
struct Root {
  std::string path;
  UniqueFd dir;
};

Result<Root> open_root();
Result<Root> open_root(const std::string& path);  // must be cgroup2

// The cgroup of a process beneath the root, "/" for the root itself; from the "0::" line of /proc/PID/cgroup. It is seen from the
// caller's cgroup namespace. pid 0 = the caller.
Result<std::string> path_of(pid_t pid);

}  // namespace slipway::cgroups
