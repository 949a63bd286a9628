// Signal names of images and of CRI as numbers.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::engine {

// "SIGTERM", "term", "15", "SIGRTMIN+3". invalid_argument for anything else.
Result<int> parse_signal(std::string_view text);
std::string signal_name(int signal);  // "SIGTERM", "SIGRTMIN+3"

}  // namespace slipway::engine
