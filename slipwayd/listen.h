// The place of slipwayd's socket: its directory made, a stale file removed, the mode set.
//
// Only a socket that nobody listens on is removed; anything else at the path is an error.
#pragma once

#include <string>

#include "base/result.h"

namespace slipway::daemon {

// `address` is unix:///PATH. already_exists when somebody listens there.
Result<void> clear_socket(const std::string& address);

// Root and its group: who can connect can be root on the node.
Result<void> restrict_socket(const std::string& address);

}  // namespace slipway::daemon
