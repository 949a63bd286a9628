// A checkpoint of a container, in a fork of the monitor: minutes may pass, and criu's helpers are not the monitor's.
#pragma once

#include <string>

#include "base/time.h"
#include "monitor/task.h"
#include "slipway/monitor.pb.h"

namespace slipway::monitor {

// Borrowed from the monitor by the fork.
struct CheckpointWork {
  const Checkpoint* request = nullptr;
  std::string bundle;  // of the container
  std::string cgroup;
  pid_t pid = 0;
  int pidfd = -1;
  int archive = -1;
  MonotonicNanos deadline = 0;
};
void run_checkpoint(const CheckpointWork& work, Outcome& outcome);

// After a fork that died: takes its images away.
void run_clear_checkpoint(const std::string& scratch, Outcome& outcome);

}  // namespace slipway::monitor
