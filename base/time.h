// Points in time as CRI has them: nanoseconds since 1970, and their RFC 3339 text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway {

using UnixNanos = std::int64_t;  // nanoseconds since 1970-01-01T00:00:00Z; 0 = not set, as in CRI
using MonotonicNanos = std::int64_t;

UnixNanos now_realtime();
MonotonicNanos now_monotonic();

// 2026-11-21T20:50:11.123456789Z, always UTC and nine digits: fixed width keeps log lines aligned and sortable.
std::string to_rfc3339(UnixNanos time);
Result<UnixNanos> parse_rfc3339(std::string_view text);

}  // namespace slipway
