// What /proc tells of a container's processes beyond their cgroup: the states of their threads, the first one's limit of descriptors.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"

namespace slipway::engine {

struct TaskStates {  // of threads, as cAdvisor names them
  std::uint64_t sleeping = 0, running = 0, stopped = 0, uninterruptible = 0;
};

// A picture, taken thread by thread: who ends meanwhile is left out. Of more than ten thousand the rest is not looked at. Blocks for a few
// system calls each.
TaskStates count_task_states(const std::vector<pid_t>& pids);

// The soft RLIMIT_NOFILE; nothing where the process has gone.
std::optional<std::uint64_t> open_files_limit(pid_t pid);

}  // namespace slipway::engine
