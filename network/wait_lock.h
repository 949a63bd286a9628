// flock(2) with an end to the waiting.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::network {

// True when `file` is locked, until its last descriptor is closed; false when somebody else still had it after `tries`, 20 ms apart.
Result<bool> wait_lock(FdRef file, int tries);

}  // namespace slipway::network
