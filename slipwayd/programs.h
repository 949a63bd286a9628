// Where slipway's other programs are: a build folder works without installing.
#pragma once

#include <string>

#include "base/result.h"

namespace slipway::daemon {

// `configured` if it is set, else beside this program's own file, else in ../libexec/slipway from there.
// not_found names every place that was tried.
Result<std::string> find_program(const std::string& name, const std::string& configured);

}  // namespace slipway::daemon
