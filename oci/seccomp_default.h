// The seccomp profile that a container gets under RuntimeDefault, for the capabilities that it has.
//
// Data: oci/seccomp-default.tsv, compiled in. Any thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "oci/spec.h"

namespace slipway::oci {

// `capabilities`: the bounding set ("CAP_SYS_ADMIN"). Each may allow more calls than the table, which holds for the common 14.
Result<Seccomp> default_profile(std::span<const std::string> capabilities);

// The same as JSON. Most containers have the same capabilities, and get the same text: what was made last is kept.
Result<std::shared_ptr<const std::string>> default_profile_text(std::span<const std::string> capabilities);

std::string write_seccomp(const Seccomp& profile);
// As write_spec() of parse.h, with this text as linux.seccomp, unless it is empty.
std::string write_spec(const Spec& spec, std::string_view profile);

}  // namespace slipway::oci
