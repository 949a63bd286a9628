// What a new slipwayd does with what the one before left: undo intents, adopt monitors, tell what was lost.
#pragma once

#include "base/result.h"
#include "engine/context.h"

namespace slipway::engine {

// Before any request is served; one thread. A single pod that cannot be recovered is logged and left not ready: it must not
// keep the node from coming up.
Result<void> recover(Context& context);

}  // namespace slipway::engine
