// linux.namespaces as what clone3 makes and what init joins.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"
#include "runtime/launch_plan.h"
#include "runtime/user_namespace.h"

namespace slipway::runtime {

struct NamespaceRequest {
  const UserNamespace* user = nullptr;  // nullptr: the container stays in ours
  int pid = -1;                         // borrowed: a pidfd whose PID namespace is joined, whatever the path says
};

// Decides too when the container's process is born (init/plan.h, Birth). Returns CLONE_NEW… for the first clone; the cgroup namespace is
// init's to make. With our own mount namespace RootPlan::host_mounts is set.
Result<std::uint64_t> plan_namespaces(const oci::Spec& spec, const NamespaceRequest& request, LaunchPlan& plan);

// The host's procfs, proven to be one, owned by the plan.
Result<int> open_proc(LaunchPlan& plan);

}  // namespace slipway::runtime
