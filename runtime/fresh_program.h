// A clone of this process that becomes another program: hooks, criu, another runtime.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::runtime {

struct Cloned {
  pid_t pid = 0;  // 0: this is the clone, which only reads what was made before it
  UniqueFd pidfd;
};

// clone3(2), without new namespaces; its end is told by SIGCHLD.
Result<Cloned> clone_with_pidfd(std::uint64_t flags = 0);

// In the clone. Descriptors from `first` on go with the execve, signals are none blocked and as by default. Returns only what went wrong,
// in errno.
void execute_afresh(unsigned first, const char* program, char* const* argv, char* const* envp) noexcept;

}  // namespace slipway::runtime
