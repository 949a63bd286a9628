// Localhost seccomp profiles: read, and compiled for this machine.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "oci/parse.h"
#include "runtime/seccomp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto profile = slipway::oci::parse_seccomp_profile({reinterpret_cast<const char*>(data), size}, {{"CAP_SYS_ADMIN"}, "6.1.0"});
  if (!profile.ok()) return 0;
  (void)slipway::runtime::seccomp_flags(profile.value()).ok();
  const auto program = slipway::runtime::compile_seccomp(profile.value());
  if (program.ok() && program.value().empty()) std::abort();
  return 0;
}
