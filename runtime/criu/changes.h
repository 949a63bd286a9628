// What a container has changed in its root, from its overlay's upper layer: new and changed files as a tar, and the names of deleted ones.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/criu/tar_writer.h"

namespace slipway::runtime::criu {

// The container is frozen; a neighbour in its PID namespace is not, and reaches the layer by /proc/PID/root: what is found under a name is
// what is read, or an error. `lower`: directories, topmost first. The result: "/etc/gone", …
// Sockets are left out, a tar has none. unimplemented: a directory that the kernel only notes as moved. resource_exhausted: what only
// costs space.
Result<std::vector<std::string>> write_changes(const std::string& upper, const std::vector<std::string>& lower, TarWriter& out);

}  // namespace slipway::runtime::criu
