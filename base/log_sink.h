// Another place than stderr for lines of the log: a program whose caller gave it a file to write them to.
#pragma once

#include <string_view>

#include "base/log.h"

namespace slipway::log {

// False: not taken, the line goes to stderr.
using Sink = bool (*)(Level level, std::string_view message);

// Once, before there are threads.
void set_sink(Sink sink);

}  // namespace slipway::log
