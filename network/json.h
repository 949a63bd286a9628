// JSON that others wrote (administrators, plugins), parsed with bounds: no exception, no deep nesting, no surprise of type.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::network {

using Json = nlohmann::json;

inline constexpr std::size_t kMaxJsonSize = 1 << 20;  // bytes of one document
inline constexpr int kMaxJsonDepth = 64;              // writing a value recurses, so depth is stack

// `what` names the document in the error. Only an object is accepted: every document of CNI is one.
Result<Json> parse_object(std::string_view text, std::string_view what);

// Never throws: bytes that are not UTF-8 (a CRI client's annotations may hold them) become U+FFFD.
std::string to_text(const Json& value);

// The member as a string; empty where it is absent or something else.
std::string string_member(const Json& object, const char* key);

// The first bytes of what a foreign program said, on one line, fit for an error message.
std::string excerpt(std::string_view text, std::size_t limit = 400);

}  // namespace slipway::network
