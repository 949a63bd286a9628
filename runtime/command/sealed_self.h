// Our own binary out of a container's reach: /proc/PID/exe of init, before its exec, is this program (CVE-2019-5736).
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "runtime/seal_plan.h"

namespace slipway::runtime::command {

// Nothing to do where the binary already lies on a read-only mount. Else it is opened through a detached read-only clone of its mount, and
// `seal` says so: init moves onto that. Where it cannot, this program executes itself again through the clone. Writing to /proc/PID/exe is
// EROFS then, for root too. Where a clone is refused (rootless exec), through a copy in memory that is sealed. `argv`: main's.
Result<void> seal_self(std::span<const std::string> words, char* const* argv, Seal& seal);

// Executes itself so in any case: after it became root of a user namespace. Returns only what went wrong.
Result<void> execute_sealed(std::span<const std::string> words);

}  // namespace slipway::runtime::command
