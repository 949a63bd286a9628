// Which sysctls a pod may set: only those that a namespace of its own holds (attack 30).
#pragma once

#include "base/result.h"
#include "engine/types.h"

namespace slipway::engine {

// The pod's sysctls with names in dotted form, or which one is refused and why.
Result<std::map<std::string, std::string>> check_sysctls(const PodSpec& pod);

}  // namespace slipway::engine
