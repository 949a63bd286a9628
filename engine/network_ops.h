// Giving back a pod's network: DEL until it succeeds, now or by a chore.
#pragma once

#include <string>

#include "base/result.h"
#include "engine/context.h"

namespace slipway::engine {

NetworkRequest network_request(const PodRecord& pod);

// DEL, then network_up becomes false in the record. Nothing to do when it is false already. The pod's lock is held by the caller.
Result<void> detach_network(Context& context, const std::string& pod_id);

// The same by a chore until it succeeds; afterwards the namespace of a pod without a monitor goes.
void detach_in_background(Context& context, const std::string& pod_id);

}  // namespace slipway::engine
