// clone3 and the conversation with init until it is ready.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/launch_plan.h"
#include "runtime/runner.h"
#include "runtime/seal_plan.h"

namespace slipway::runtime {

struct LaunchRequest {
  std::uint64_t namespaces = 0;  // CLONE_NEW… made with the process
  int cgroup = -1;               // directory; -1 = the caller's cgroup
  // Asked where the kernel does not let the process be made in it for want of rights: true = in the caller's then.
  std::function<bool()> may_leave_cgroup;
  bool child_of_parent = false;
  Stdio stdio;
  int start_fd = -1;
  int preserve_fds = 0;
  Seal* seal = nullptr;  // the process leaves the runner's own file first; nullptr: that one may be seen
  // With RootPlan::awaited: makes what init waits for and gives its descriptors, in init's order. Called once, right after the clone. Its
  // error is the launch's.
  std::function<Result<std::vector<int>>()> make_mounts;
  // What confines the container and takes time: LaunchPlan::filter, device rules. Called once, after that, while init works;
  // init executes nothing before it is done. Its error is the launch's.
  std::function<Result<void>()> confine;
  // With InitPlan::hooks: called when namespaces and mounts are made and the root is not changed yet. Its error is the launch's.
  std::function<Result<void>(pid_t, FdRef pidfd)> environment_made;
  // With Filter::listened: the listener for an agent, before the first call that could wait for it. Its error is the launch's.
  std::function<Result<void>(pid_t, FdRef listener)> listener_made;
};

struct Launched {
  pid_t pid = 0;
  UniqueFd pidfd;
  UniqueFd console;
  UniqueFd sync;
  MonotonicNanos cloned_at = 0;  // when clone3 had returned
  bool left_cgroup = false;      // the process is in the caller's cgroup
};

// Freezes the plan, clones, and returns when init says that it is ready. On error the process is gone.
Result<Launched> launch(LaunchPlan& plan, const LaunchRequest& request);

// Ends a process that shall not be, and waits until it has ended; reaps it if it is our child.
void end_process(FdRef pidfd, bool our_child);

}  // namespace slipway::runtime
