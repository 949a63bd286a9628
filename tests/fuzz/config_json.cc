// config.json: what parses writes text that parses again to the same text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "oci/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::oci;
  const auto spec = parse_spec({reinterpret_cast<const char*>(data), size});
  if (!spec.ok()) return 0;
  (void)validate(spec.value()).ok();
  const std::string once = write_spec(spec.value());
  const auto again = parse_spec(once);
  if (!again.ok() || write_spec(again.value()) != once) std::abort();
  return 0;
}
