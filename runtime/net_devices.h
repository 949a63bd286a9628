// linux.netDevices: devices of the caller's network namespace become the container's (config-linux.md, "Network Devices").
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"

namespace slipway::runtime {

// Each is moved, named, given its global permanent addresses again, and set up. Those that were moved before another fails are moved back,
// with their addresses, up if they were. What fails after all are moved leaves them in the namespace, to share its end: the kernel returns
// a physical one to the host and takes a virtual one away.
Result<void> move_net_devices(const oci::Spec& spec, FdRef network_namespace);

}  // namespace slipway::runtime
