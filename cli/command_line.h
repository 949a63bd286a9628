// slipctl's command line: verbs, flags, help.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/verbs.h"

namespace slipway::cli {

struct CommandLine {
  std::string endpoint;
  bool json = false;
  streaming::TlsTrust tls;
  std::function<Result<int>(Session&)> verb;  // empty: help was printed or the usage was wrong, `exit_code` says
  int exit_code = 0;
};

// Prints help and mistakes itself. `arguments` without the program's name.
CommandLine parse_command_line(std::vector<std::string> arguments);

}  // namespace slipway::cli
