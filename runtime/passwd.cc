// One user's line of a passwd(5).
#include "runtime/passwd.h"

#include <string>

#include "base/text.h"

namespace slipway::runtime {
namespace {

std::string_view field(std::string_view line, PasswdField wanted) {
  for (int left = static_cast<int>(wanted); left > 0; --left) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return {};
    line.remove_prefix(colon + 1);
  }
  return line.substr(0, line.find(':'));
}

}  // namespace

std::string_view passwd_field(std::string_view passwd, std::uint32_t uid, PasswdField wanted) {
  const std::string number = std::to_string(uid);
  while (!passwd.empty()) {
    const std::string_view line = cut(passwd, '\n');
    if (field(line, PasswdField::uid) == number && !field(line, wanted).empty()) return field(line, wanted);
  }
  return {};
}

}  // namespace slipway::runtime
