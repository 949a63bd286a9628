// The capabilities of a container: CRI's add, drop and ambient lists as the five sets of capabilities(7).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"
#include "oci/spec.h"

namespace slipway::engine {

// Names are taken with and without CAP_, in any case. "ALL" and privileged mean what can be given: `available` has a bit for
// each capability that slipwayd holds itself, which in a container or another runtime's sandbox is less than the kernel knows. The
// inheritable set is empty but for the ambient ones, which cannot be without it.
Result<oci::Capabilities> plan_capabilities(const SecurityContext& security, std::uint64_t available);

}  // namespace slipway::engine
