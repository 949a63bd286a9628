// From exec to a running monitor: configuration, detachment, namespaces, the report to slipwayd (proto/slipway/monitor.proto, top).
#pragma once

#include "base/unique_fd.h"

namespace slipway::monitor {

inline constexpr int kConfigFd = 3;
inline constexpr int kReportFd = 4;

// The whole program: in the first process it returns once the pod is there (0) or cannot be (1), in the monitor itself when the pod
// has been shut down.
int run_monitor(UniqueFd config, UniqueFd report);

}  // namespace slipway::monitor
