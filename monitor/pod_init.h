// PID 1 of a pod that shares its PID namespace: reaps, and is nothing else.
//
// A fork of the monitor without anything of it that a container could reach through /proc/1: an empty read-only root, no
// descriptor, no capability, user 65535, not dumpable. It dies with the monitor (PDEATHSIG), and the pod's processes with it.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "monitor/pod_namespaces.h"

namespace slipway::monitor {

struct PodInit {
  pid_t pid = 0;
  UniqueFd pidfd;
};

// `mountpoint`: any directory of the pod's, covered in the init's own mount namespace only; `label`: SELinux's, of its root. Returns when
// it is confined.
Result<PodInit> start_pod_init(const PodNamespaces& namespaces, const std::string& mountpoint, const std::string& label = {});

}  // namespace slipway::monitor
