// Whether this host has what pods need of its kernel.
#pragma once

#include "engine/types.h"

namespace slipway::daemon {

// RuntimeReady of Status: false, with a sentence, where cgroup v2 is absent or lacks the controllers that limits need. The kubelet
// sends no pods to such a node. Asked once: controllers do not move between hierarchies while the host runs.
engine::Condition host_condition();

}  // namespace slipway::daemon
