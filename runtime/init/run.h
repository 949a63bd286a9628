// The container's first process between clone3 and execve: executes an InitPlan by system calls only.
//
// No heap, no locks, no C++ runtime: the child of a clone may use nothing that another process's state could break.
#pragma once

#include "runtime/init/plan.h"

namespace slipway::runtime::init {

// The plan is this process's own copy: the mounts that come by message are filled in.
[[noreturn]] void run(InitPlan& plan) noexcept;

}  // namespace slipway::runtime::init
