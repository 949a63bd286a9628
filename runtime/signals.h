// Signals by name or number, as people and kubelets write them.
#pragma once

#include <string_view>

#include "base/result.h"

namespace slipway::runtime {

// "9", "KILL", "SIGKILL", "SIGRTMIN+3", in any case.
Result<int> parse_signal(std::string_view text);

}  // namespace slipway::runtime
