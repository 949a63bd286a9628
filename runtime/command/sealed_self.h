// Our own binary out of a container's reach: /proc/PID/exe of init, before its exec, is this program (CVE-2019-5736).
#pragma once

#include <span>
#include <string>

#include "base/result.h"

namespace slipway::runtime::command {

// Goes on at once where the binary already lies on a read-only mount. Else executes itself again through a detached
// read-only clone of its mount: writing to /proc/PID/exe is then EROFS, for root too. Where a clone is refused (rootless exec), through a
// copy in memory that is sealed.
Result<void> seal_self(std::span<const std::string> words);

// Executes itself so in any case: after it became root of a user namespace. Returns only what went wrong.
Result<void> execute_sealed(std::span<const std::string> words);

}  // namespace slipway::runtime::command
