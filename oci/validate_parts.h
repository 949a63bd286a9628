// The checks of config.json's larger parts, shared by the room's validate files. Internal to the room.
#pragma once

#include "base/result.h"
#include "oci/spec.h"

namespace slipway::oci {

Result<void> check_hooks(const Hooks& hooks);

}  // namespace slipway::oci
