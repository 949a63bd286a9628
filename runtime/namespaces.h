// linux.namespaces as what clone3 makes, what init joins and what the runner must join before it clones.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"
#include "runtime/launch_plan.h"

namespace slipway::runtime {

struct NamespacePlan {
  std::uint64_t new_with_process = 0;  // CLONE_NEW…; the cgroup namespace is init's to make
  UniqueFd pid;                        // to be joined by the runner: a PID namespace takes only later children
};

// Fails for what is not there yet: a user namespace, a time namespace, a container without a mount namespace.
Result<void> plan_namespaces(const oci::Spec& spec, NamespacePlan& out, LaunchPlan& plan);

// The host's procfs, proven to be one, owned by the plan.
Result<int> open_proc(LaunchPlan& plan);

}  // namespace slipway::runtime
