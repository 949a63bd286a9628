// Where pods, containers and monitors are in the cgroup tree, for each of the two drivers.
//
// Pure. With "cgroupfs" a pod is PARENT/POD and a container PARENT/POD/CONTAINER; with "systemd" a pod is a slice beneath its parent's
// slice and a container the scope slipway-CONTAINER.scope in it. A path tells by its ending which it is, whoever reads it.
// A monitor's and a container's name end with the whole id, the pod's has its beginning alone: cAdvisor takes each cgroup whose name
// has 64 characters of an id for a container, and the pod's sandbox shall be there once (ADR 31).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::engine {

inline constexpr std::string_view kSystemdDriver = "systemd";
inline constexpr const char* kServiceUnit = "slipwayd.service";  // packaging/systemd

// CRI's cgroup_parent in the driver's syntax; without one, slipway's own. For systemd a slice's name or its whole path.
Result<std::string> pod_cgroup(std::string_view driver, const std::string& parent, const std::string& pod_id);
// `scope`: in a pod that is a slice, a scope; else a plain cgroup there too.
std::string container_cgroup(const std::string& pod_cgroup, const std::string& container_id, bool scope = true);
// Outside the pod's: the kubelet kills whatever is in the cgroup of an orphaned pod.
std::string monitor_cgroup(std::string_view driver, const std::string& pod_id);

}  // namespace slipway::engine
