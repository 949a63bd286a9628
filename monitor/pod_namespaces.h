// The namespaces that a pod's containers share: made, filled and pinned, without a pause process.
//
// Made in a fork, so that the monitor itself stays in the host's. The network namespace is pinned by a bind mount (CNI's DEL must
// outlive the monitor); IPC and UTS live as long as the monitor's descriptors; a shared PID namespace as long as its init.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "monitor/task.h"
#include "slipway/monitor.pb.h"

namespace slipway::monitor {

struct PodNamespaces {
  UniqueFd user, net, ipc, uts;  // not valid = the host's
};

// The host's ids of the pod's root: 0 without a user namespace.
struct PodRoot {
  std::uint32_t uid = 0, gid = 0;
};
Result<PodRoot> pod_root(const PodConfig& config);

// Sets the hostname and the sysctls, brings `lo` up. With a user namespace it owns the others: two forks then, since who enters it is the
// host's root no more.
Result<PodNamespaces> make_namespaces(const PodConfig& config, const Origin& origin);

// Whether a sysctl (a path beneath /proc/sys) belongs to a namespace that is the pod's own. Everything else would change the node.
Result<void> check_sysctl(std::string_view path, bool own_net, bool own_ipc);

// A bind mount at `path`; its directory becomes a shared mount, as `ip netns` makes it, so that CNI daemons see it.
Result<void> pin_network(FdRef net, const std::string& path);
Result<void> unpin_network(const std::string& path);  // absent = ok

// A tmpfs at `path`, which is made: the pod's /dev/shm, and the one for its files of /etc.
struct TmpfsOptions {
  const char* mode = "1777";
  std::int64_t size = 0;
  PodRoot owner;
  std::string label;  // SELinux; empty = what the policy gives
};
Result<void> mount_tmpfs(const std::string& path, const TmpfsOptions& options);
Result<void> unmount_tmpfs(const std::string& path);  // absent = ok

}  // namespace slipway::monitor
