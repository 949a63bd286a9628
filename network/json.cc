// Bounded parsing and safe printing of foreign JSON.
#include "network/json.h"

#include "base/text.h"

namespace slipway::network {
namespace {

// Nesting is counted before parsing: brackets outside of strings.
bool too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxJsonDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<Json> parse_object(std::string_view text, std::string_view what) {
  if (text.size() > kMaxJsonSize) return fail(Code::resource_exhausted, "{}: {} bytes, more than {}", what, text.size(), kMaxJsonSize);
  if (too_deep(text)) return fail(Code::invalid_argument, "{}: nested deeper than {}", what, kMaxJsonDepth);
  Json value = Json::parse(text.begin(), text.end(), nullptr, false);
  if (value.is_discarded()) return fail(Code::invalid_argument, "{}: not JSON: '{}'", what, excerpt(text, 80));
  if (!value.is_object()) return fail(Code::invalid_argument, "{}: not a JSON object", what);
  return value;
}

std::string to_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string string_member(const Json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_string()) return {};
  return *it->get_ptr<const std::string*>();
}

std::string excerpt(std::string_view text, std::size_t limit) {
  text = trim(text, " \n\t\r");
  std::string out(text.substr(0, limit));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  if (text.size() > limit) out += "…";
  return out;
}

}  // namespace slipway::network
