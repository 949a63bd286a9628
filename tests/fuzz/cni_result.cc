// What CNI plugins print, and network configuration files.
#include <cstdint>
#include <string_view>

#include "network/cni_result.h"
#include "network/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto result = slipway::network::parse_result(text, "1.0.0");
  if (result.ok()) (void)slipway::network::pod_addresses(result.value(), "eth0").ok();
  (void)slipway::network::parse_config("10-test.conflist", text).ok();
  return 0;
}
