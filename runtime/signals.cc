// Signals by name or number.
#include "runtime/signals.h"

#include <signal.h>
#include <string.h>

#include <string>

#include "base/text.h"

namespace slipway::runtime {
namespace {

// glibc's SIGRTMIN is 34: the first two belong to its threads; that is what everybody means.
int realtime(std::string_view name) {
  int base = 0;
  int sign = 1;
  if (name.starts_with("RTMIN")) {
    base = SIGRTMIN;
  } else if (name.starts_with("RTMAX")) {
    base = SIGRTMAX;
    sign = -1;
  } else {
    return 0;
  }
  name.remove_prefix(5);
  if (name.empty()) return base;
  if (name[0] != (sign > 0 ? '+' : '-')) return 0;
  const auto offset = to_number<unsigned>(name.substr(1));
  if (!offset || *offset > static_cast<unsigned>(SIGRTMAX - SIGRTMIN)) return 0;
  return base + sign * static_cast<int>(*offset);
}

}  // namespace

Result<int> parse_signal(std::string_view text) {
  if (const auto number = to_number<int>(text)) {
    if (*number > 0 && *number < 65) return *number;
    return fail(Code::invalid_argument, "signal {} does not exist", text);
  }
  std::string name;
  for (const char c : text) name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int signal = 1; signal < 32; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  if (name == "IOT") return SIGABRT;
  if (name == "CLD") return SIGCHLD;
  if (const int signal = realtime(name)) return signal;
  return fail(Code::invalid_argument, "signal '{}' is not known", text);
}

}  // namespace slipway::runtime
