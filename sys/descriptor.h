// Descriptors that no path leads to: pipes, files in memory, copies. All close-on-exec.
#pragma once

#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::sys {

struct Pipe {
  UniqueFd read, write;
};

// Blocking at both ends, as a process expects its own to be.
Result<Pipe> make_pipe();

// A memfd(2) that holds `text` and is read from its beginning: writing it cannot block nor raise SIGPIPE, and it is in no file
// system. `name` is for /proc/PID/fd only.
Result<UniqueFd> memory_file(const char* name, std::string_view text);

Result<void> set_nonblocking(FdRef fd);
// Numbered 3 or more: never one of the standard ones.
Result<UniqueFd> copy_fd(FdRef fd);

}  // namespace slipway::sys
