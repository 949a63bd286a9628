// Identifiers of pods, containers and exec sessions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway {

inline constexpr std::size_t kIdLength = 64;  // the kubelet's cAdvisor wants 64 characters of [a-z0-9]

// 64 hex digits of getrandom(2).
std::string make_id();
bool is_full_id(std::string_view text);

// An id or name given from outside that becomes part of a path: 1 to 1024 characters of [A-Za-z0-9_+.-], not "." or "..".
Result<void> check_name(std::string_view what, std::string_view name);

}  // namespace slipway
