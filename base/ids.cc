// Making and checking identifiers.
#include "base/ids.h"

#include <sys/random.h>

#include <algorithm>
#include <array>

namespace slipway {

std::string make_id() {
  std::array<unsigned char, kIdLength / 2> bytes{};
  // Requests up to 256 bytes are never cut short once the pool is ready (getrandom(2)).
  while (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
  }
  std::string id;
  id.reserve(kIdLength);
  for (const unsigned char b : bytes) {
    id += "0123456789abcdef"[b >> 4];
    id += "0123456789abcdef"[b & 15];
  }
  return id;
}

bool is_full_id(std::string_view text) {
  return text.size() == kIdLength &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); });
}

Result<void> check_name(std::string_view what, std::string_view name) {
  if (name.empty()) return fail(Code::invalid_argument, "{} is empty", what);
  if (name.size() > 1024) return fail(Code::invalid_argument, "{} has {} characters, at most 1024 are allowed", what, name.size());
  if (name == "." || name == "..") return fail(Code::invalid_argument, "{} '{}' is not a name", what, name);
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '.' || c == '-';
  };
  if (const auto bad = std::find_if_not(name.begin(), name.end(), good); bad != name.end())
    return fail(Code::invalid_argument, "{} has the character {:#04x} at offset {}: only letters, digits and _ + . - are allowed", what,
                static_cast<unsigned>(static_cast<unsigned char>(*bad)), bad - name.begin());
  return {};
}

}  // namespace slipway
