// oci/seccomp-default.tsv as text. Internal to the room.
#pragma once

#include <string_view>

namespace slipway::oci {

extern const std::string_view kSeccompTable;

}  // namespace slipway::oci
