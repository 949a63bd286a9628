// Another OCI runtime in place of our own runner: a container or an exec session made by its command line, as the monitor's child.
//
//   monitor (subreaper) ── fork ── BINARY create … ── the container's init: with BINARY's end it becomes the monitor's child
//
// The root is an overlay mounted on the bundle's root.path only while `create` runs: the container's mount namespace has its own. The
// process that the runtime names is believed only if it is the monitor's child and in the container's cgroup. All in a fork of the monitor.
#pragma once

#include "base/result.h"
#include "monitor/runner_work.h"
#include "oci/spec.h"

namespace slipway::monitor {

// Outcomes as of run_create and run_exec.
Result<void> create_by_runtime(const CreateWork& work, const oci::Spec& spec, Outcome& outcome);
Result<void> exec_by_runtime(const ExecWork& work, const oci::Process& process, const std::string& json, Outcome& outcome);
Result<void> start_by_runtime(const OciRuntime& runtime, const std::string& id, int pidfd);

}  // namespace slipway::monitor
