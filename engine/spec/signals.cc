// Signal names of images and of CRI as numbers: names by the C library's table, real-time ones by arithmetic.
#include "engine/spec/signals.h"

#include <cctype>
#include <csignal>
#include <cstring>

#include "base/format.h"
#include "base/text.h"

namespace slipway::engine {
namespace {

Result<int> parse_number(std::string_view text, int low, int high) {
  const auto value = to_number<int>(text);
  if (!value || *value < low || *value > high) return fail(Code::invalid_argument, "'{}' is no signal", text);
  return *value;
}

// SIGRTMIN is where the C library's own signals end (34); images mean that number too.
Result<int> parse_realtime(std::string_view name) {
  if (name == "RTMIN") return SIGRTMIN;
  if (name == "RTMAX") return SIGRTMAX;
  const int room = SIGRTMAX - SIGRTMIN;
  if (name.substr(0, 6) == "RTMIN+") {
    TRY_ASSIGN(const int offset, parse_number(name.substr(6), 0, room));
    return SIGRTMIN + offset;
  }
  if (name.substr(0, 6) == "RTMAX-") {
    TRY_ASSIGN(const int offset, parse_number(name.substr(6), 0, room));
    return SIGRTMAX - offset;
  }
  return fail(Code::invalid_argument, "'SIG{}' is no signal", name);
}

}  // namespace

Result<int> parse_signal(std::string_view text) {
  if (text.empty() || text.size() > 16) return fail(Code::invalid_argument, "'{}' is no signal", text.substr(0, 32));
  if (std::isdigit(static_cast<unsigned char>(text[0]))) return parse_number(text, 1, SIGRTMAX);
  std::string name;
  for (const char c : text) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (name.rfind("SIG", 0) == 0) name.erase(0, 3);
  if (name.rfind("RT", 0) == 0) return parse_realtime(name);
  for (int signal = 1; signal < 32; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  if (name == "IOT") return SIGABRT;
  if (name == "CLD") return SIGCHLD;
  if (name == "POLL") return SIGPOLL;
  return fail(Code::invalid_argument, "'{}' is no signal", text);
}

std::string signal_name(int signal) {
  if (const char* known = ::sigabbrev_np(signal); known != nullptr) return fmt::format("SIG{}", known);
  if (signal >= SIGRTMIN && signal <= SIGRTMAX) return fmt::format("SIGRTMIN+{}", signal - SIGRTMIN);
  return fmt::format("{}", signal);
}

}  // namespace slipway::engine
