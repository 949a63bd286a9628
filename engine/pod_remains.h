// What a pod leaves on the host when its monitor could not clean up: mounts beneath its directory, its network namespace.
#pragma once

#include <string>

#include "base/result.h"
#include "engine/paths.h"

namespace slipway::engine {

// Unmounts and removes the bind mount of the network namespace. Absent = ok.
Result<void> remove_netns(const std::string& path);

// Unmounts whatever is mounted beneath the pod's directory, then removes it. Absent = ok.
Result<void> remove_pod_directory(const PodPaths& paths);

// The exit record that a monitor wrote before it told anybody; not_found when the container had not ended.
Result<std::string> read_exit_record(const PodPaths& paths, const std::string& container_id);

}  // namespace slipway::engine
