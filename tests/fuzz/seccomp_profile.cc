// Localhost seccomp profiles.
#include <cstdint>
#include <string_view>

#include "oci/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)slipway::oci::parse_seccomp_profile({reinterpret_cast<const char*>(data), size}, {{"CAP_SYS_ADMIN"}, "6.1.0"}).ok();
  return 0;
}
