// HOME for a process whose environment has none, as the container's /etc/passwd says: what callers of runc and crun expect.
#pragma once

#include <string>

#include "base/unique_fd.h"
#include "oci/spec.h"

namespace slipway::runtime::command {

// Nothing is done where HOME is set. "/" where the user is not found; the file is the container's and is read as such.
void add_home(const std::string& root, oci::Process& process);

}  // namespace slipway::runtime::command
