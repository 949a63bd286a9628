// Capability names ↔ numbers, and a process's five sets as masks.
//
// A name that the running kernel does not know is dropped and reported to the caller, who logs it (config.md, "capabilities": no error):
// the container gets no more than it asked for, and a spec for newer kernels still starts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/spec.h"

namespace slipway::runtime {

std::optional<int> capability_number(std::string_view name);  // "CAP_NET_RAW"
std::string_view capability_name(int number);                 // "" if unknown
std::vector<std::string> all_capability_names();              // those of this build, by number

struct CapabilityMasks {  // bit n = capability n
  std::uint64_t bounding = 0;
  std::uint64_t effective = 0;
  std::uint64_t inheritable = 0;
  std::uint64_t permitted = 0;
  std::uint64_t ambient = 0;
};

// /proc/sys/kernel/cap_last_cap.
Result<int> last_capability();

// Those that this process may have.
Result<std::uint64_t> permitted_capabilities();

// Absent capabilities are empty sets. Effective outside permitted is refused, as capset(2) would. Ambient outside permitted or inheritable
// cannot be raised and is dropped: known templates list such.
Result<CapabilityMasks> capability_masks(const std::optional<oci::Capabilities>& sets, int last_capability,
                                         std::vector<std::string>* dropped = nullptr);

}  // namespace slipway::runtime
