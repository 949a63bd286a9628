// What processes hold open, as /proc tells it: the descriptors and sockets of a container's metrics.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace slipway::engine {

struct OpenFiles {
  std::uint64_t descriptors = 0;
  std::uint64_t sockets = 0;  // of these
};

// A picture, taken process by process: who ends meanwhile is left out, and a number that is used again counts its new owner. Of more than
// a hundred thousand descriptors the rest is counted without a look at what they are. Blocks for a system call each.
OpenFiles count_open_files(const std::vector<pid_t>& pids);

}  // namespace slipway::engine
