// What a fork of the monitor does with runtime/: read the specification, make the process, report it.
//
// All of it runs in the fork: config.json, environments and secrets never enter the monitor's heap.
#pragma once

#include <optional>
#include <string>

#include "base/time.h"
#include "monitor/task.h"
#include "runtime/runner.h"
#include "slipway/monitor.pb.h"

namespace slipway::monitor {

std::optional<runtime::OverlayRoot> overlay_of(const CreateContainer& request);

// Everything borrowed from the monitor by the fork.
struct CreateWork {
  const CreateContainer* request = nullptr;
  runtime::Stdio stdio;
  int start_fd = -1;
  int pid_process = -1;      // whose PID namespace is joined
  MonotonicNanos begun = 0;  // when the request came
};
// Outcome: pid, cgroup, stages; descriptors pidfd, sync (of our own runner only) and, with a terminal, the pty's master.
void run_create(const CreateWork& work, Outcome& outcome);

// By another runtime's command line; our own runner's init waits for a byte instead.
void run_start(const OciRuntime& runtime, const std::string& id, int pidfd, Outcome& outcome);

struct ExecWork {
  const Exec* request = nullptr;
  const OciRuntime* runtime = nullptr;  // the container's, where it is not our own runner
  std::string bundle;                   // of the container: its seccomp profile is read from there
  std::string cgroup;
  std::string part;  // the session's own cgroup in it
  pid_t pid = 0;
  int pidfd = -1;
  int process_fd = -1;  // the process object, where it came as a descriptor
  runtime::Stdio stdio;
  MonotonicNanos begun = 0;
};
// Outcome: pid, stages; descriptors pidfd and, with a terminal, the pty's master.
void run_exec(const ExecWork& work, Outcome& outcome);

void run_update(const Update& request, const std::string& cgroup, Outcome& outcome);

// Kills what is left in a cgroup and removes it; waits for the dying.
void run_remove(const std::string& cgroup, Outcome& outcome);

}  // namespace slipway::monitor
