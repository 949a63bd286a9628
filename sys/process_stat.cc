// The name is the trap: it may hold anything.
#include "sys/process_stat.h"

#include "base/text.h"

namespace slipway::sys {

std::string_view stat_field(std::string_view stat, unsigned number) {
  const std::size_t name_end = stat.rfind(')');
  if (number < 3 || name_end == std::string_view::npos || name_end + 2 > stat.size()) return {};
  std::string_view rest = stat.substr(name_end + 2);
  for (; number > 3; --number) (void)cut(rest, ' ');
  return rest.substr(0, rest.find_first_of(" \n"));
}

unsigned long long stat_number(std::string_view stat, unsigned number) {
  return to_number<unsigned long long>(stat_field(stat, number)).value_or(0);
}

}  // namespace slipway::sys
