// systemd's readiness protocol (sd_notify(3)), without libsystemd.
#pragma once

#include <string_view>

#include "base/result.h"

namespace slipway::daemon {

// Sends `state` ("READY=1") to $NOTIFY_SOCKET; without that variable nothing is to be done.
Result<void> notify(std::string_view state);

}  // namespace slipway::daemon
