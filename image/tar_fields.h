// The number and text fields of tar headers.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::image {

std::string tar_text(const char* field, std::size_t size);  // up to its NUL
Result<void> tar_check_sum(const char* block);              // of 512 bytes
// Octal, or base 256 where the first bit is set (GNU). Negative numbers are refused but for times.
Result<std::uint64_t> tar_number(const char* field, std::size_t size, const char* what);
Result<std::uint32_t> tar_id(const char* field, const char* what);
Result<std::int64_t> tar_time(const char* field, std::size_t size);

// Decimal fields of PAX records.
Result<std::uint64_t> pax_number(std::string_view key, std::string_view text);
Result<void> pax_time(std::string_view text, std::int64_t& seconds, std::uint32_t& nanos);

}  // namespace slipway::image
