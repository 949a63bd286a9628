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
  UniqueFd net, ipc, uts;  // not valid = the host's
};

// Sets the hostname and the sysctls, brings `lo` up.
Result<PodNamespaces> make_namespaces(const PodConfig& config, const Origin& origin);

// Whether a sysctl (a path beneath /proc/sys) belongs to a namespace that is the pod's own. Everything else would change the node.
Result<void> check_sysctl(std::string_view path, bool own_net, bool own_ipc);

// A bind mount at `path`; its directory becomes a shared mount, as `ip netns` makes it, so that CNI daemons see it.
Result<void> pin_network(FdRef net, const std::string& path);
Result<void> unpin_network(const std::string& path);  // absent = ok

// The pod's /dev/shm: a tmpfs at `path`, which is made.
Result<void> mount_shm(const std::string& path, std::int64_t size);
Result<void> unmount_shm(const std::string& path);  // absent = ok

}  // namespace slipway::monitor
