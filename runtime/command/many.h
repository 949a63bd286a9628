// Verbs for many containers at once: crun's --regex.
#pragma once

#include <functional>
#include <string>

#include "runtime/command/command.h"

namespace slipway::runtime::command {

// `act` on each container whose id matches the POSIX extended expression. All are tried; each failure is reported, the last one returned.
Result<void> for_each_matching(const Global& global, const std::string& expression,
                               const std::function<Result<void>(const std::string&)>& act);

}  // namespace slipway::runtime::command
