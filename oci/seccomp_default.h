// The seccomp profile that a container gets under RuntimeDefault, for the capabilities that it has.
//
// Data: oci/seccomp-default.tsv, compiled in. Pure, any thread.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "oci/spec.h"

namespace slipway::oci {

// `capabilities`: the bounding set ("CAP_SYS_ADMIN"). Each may allow more calls than the table, which holds for the common 14.
Result<Seccomp> default_profile(std::span<const std::string> capabilities);

}  // namespace slipway::oci
