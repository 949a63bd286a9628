// Making a container's process, which then waits in its monitor to be started.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/result.h"
#include "engine/context.h"
#include "engine/stage_timer.h"

namespace slipway::engine {

using Latest = std::chrono::steady_clock::time_point;

// What a call may take, a millisecond at least.
inline std::chrono::milliseconds time_left(Latest latest) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(latest - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds(1));
}

// From what CreateContainer left in the bundle. The record says that it has been made when this returns. The pod's lock is held by the
// caller, who takes back what a failure may have left.
Result<void> make_container(Context& context, const ContainerRecord& record, StageTimer& timer, Latest latest);

// Its cgroup, the monitor's entry, and what another runtime has of it: files are left alone.
Result<void> take_from_monitor(Context& context, const ContainerRecord& record);

}  // namespace slipway::engine
