// A connection to a port of the pod's own loopback, for port forwarding.
//
// Runs in a fork of the monitor, which joins the pod's network namespace: neither the monitor nor slipwayd ever enters it.
#pragma once

#include <cstdint>
#include <string>

#include "monitor/task.h"

namespace slipway::monitor {

struct DialWork {
  std::string network;  // where the pod's network namespace is pinned; empty = the host's
  std::uint32_t port = 0;
};
// Outcome: the connected socket, non-blocking. 127.0.0.1 first, then [::1].
void run_dial(const DialWork& work, Outcome& outcome);

}  // namespace slipway::monitor
