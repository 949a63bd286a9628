// Pipes between slipwayd and a process, and copies of their ends.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::engine {

struct Pipe {
  UniqueFd read, write;
};

// Blocking at both ends, as a process expects its own to be.
Result<Pipe> make_pipe();
Result<void> set_nonblocking(FdRef fd);
Result<UniqueFd> copy_fd(FdRef fd);

}  // namespace slipway::engine
