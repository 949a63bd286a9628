// Descriptors that the caller hands on to the program: --preserve-fds, and those of socket activation (sd_listen_fds(3)).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/command/options.h"

namespace slipway::runtime::command {

struct Inherited {
  int descriptors = 0;           // 3 … 3+n-1; the activated sockets come first
  std::vector<std::string> env;  // LISTEN_FDS and its like for the container's first process
};

// Each must be open since before we began: one of our own in its place would be a hole into the host (CVE-2024-21626).
Result<Inherited> inherited_descriptors(const Arguments& arguments);

}  // namespace slipway::runtime::command
