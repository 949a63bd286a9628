// JSON from outside without exceptions: bounded parsing, and members taken by the type that is wanted or not at all.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::image {

using Json = nlohmann::json;

// The text's bounds: a document of one byte a value costs a parser some forty times its size.
inline constexpr std::size_t kMaxJsonDepth = 64;
inline constexpr std::size_t kMaxJsonValues = 200'000;

// invalid_argument where it is not JSON, resource_exhausted past the bounds. `what` names it in the message.
Result<Json> parse_json(std::string_view what, std::string_view text);

// nullptr where `object` is none or has no such member.
const Json* member(const Json& object, const char* key);

std::string string_member(const Json& object, const char* key);                // "" where absent or no string
std::uint64_t number_member(const Json& object, const char* key);              // 0 where absent or no unsigned number
std::vector<std::string> strings_member(const Json& object, const char* key);  // strings of an array; others are left out

std::string to_text(const Json& json);  // one line; bytes that are not UTF-8 become U+FFFD

}  // namespace slipway::image
