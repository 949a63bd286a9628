// Bounded JSON.
#include "image/json_text.h"

#include <algorithm>

namespace slipway::image {
namespace {

// Counts what a parser would have to allocate before any parser runs.
Result<void> check_shape(std::string_view what, std::string_view text) {
  std::size_t depth = 0, values = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
      continue;
    }
    if (c == '"')
      in_string = true;
    else if (c == '[' || c == '{')
      ++depth, ++values;
    else if ((c == ']' || c == '}') && depth > 0)
      --depth;
    else if (c == ',' || c == ':')
      ++values;
    if (depth > kMaxJsonDepth) return fail(Code::resource_exhausted, "{}: JSON nested deeper than {}", what, kMaxJsonDepth);
    if (values > kMaxJsonValues) return fail(Code::resource_exhausted, "{}: JSON with more than {} values", what, kMaxJsonValues);
  }
  return {};
}

}  // namespace

Result<Json> parse_json(std::string_view what, std::string_view text) {
  TRY(check_shape(what, text));
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return fail(Code::invalid_argument, "{}: not valid JSON", what);
  return json;
}

const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string string_member(const Json& object, const char* key) {
  const Json* value = member(object, key);
  return value != nullptr && value->is_string() ? value->get_ref<const std::string&>() : std::string();
}

std::uint64_t number_member(const Json& object, const char* key) {
  const Json* value = member(object, key);
  return value != nullptr && value->is_number_unsigned() ? value->get<std::uint64_t>() : 0;
}

std::vector<std::string> strings_member(const Json& object, const char* key) {
  std::vector<std::string> out;
  const Json* value = member(object, key);
  if (value == nullptr || !value->is_array()) return out;
  for (const Json& item : *value)
    if (item.is_string()) out.push_back(item.get_ref<const std::string&>());
  return out;
}

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace slipway::image
