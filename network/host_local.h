// Addresses of the plugin host-local that nobody owns any more.
//
// It keeps one file an address, whose content is the owner, and does not sync them: after a loss of power a file may be there without its
// content. No DEL finds such an address, so it would be taken for ever.
#pragma once

#include "base/result.h"
#include "network/config.h"

namespace slipway::network {

// Removes the empty address files of a network, under the plugin's own lock: who is at work there has no empty file. How many.
// A network whose plugins do not use host-local has none.
Result<unsigned> free_ownerless_addresses(const NetworkConfig& network);

}  // namespace slipway::network
