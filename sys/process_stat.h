// One line of /proc/PID/stat, taken apart.
#pragma once

#include <string_view>

namespace slipway::sys {

// proc_pid_stat(5), by its numbers from 3 (the state) on; the second is a name in parentheses that may hold anything, spaces and
// parentheses too. Empty where the text is none or ends before.
std::string_view stat_field(std::string_view stat, unsigned number);

// The same as a number; 0 where there is none.
unsigned long long stat_number(std::string_view stat, unsigned number);

}  // namespace slipway::sys
