// The capabilities of a container: CRI's add, drop and ambient lists as the five sets of capabilities(7).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"
#include "oci/spec.h"

namespace slipway::engine {

// Names are taken with and without CAP_, in any case; "ALL" means what the kernel knows (`last_capability` is
// /proc/sys/kernel/cap_last_cap). The inheritable set is empty but for the ambient ones, which cannot be without it.
Result<oci::Capabilities> plan_capabilities(const SecurityContext& security, int last_capability);

}  // namespace slipway::engine
