// CDI files: what YAML becomes is JSON, whatever it says, and reading it as a device's file ends.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/yaml.h"
#include "oci/cdi.h"
#include "oci/json.h"

namespace {

// What YAML can say and our JSON does not take: too much of it, a name twice, a NUL.
bool is_json(std::string_view text) {
  const auto parsed = slipway::oci::json::Document::parse(text, {});
  if (parsed.ok() || parsed.error().code == slipway::Code::resource_exhausted) return true;
  const std::string& why = parsed.error().message;
  return why.find("comes twice") != std::string::npos || why.ends_with("a NUL in a string");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)oci::parse_cdi_name(text).ok();
  (void)oci::parse_cdi(text).ok();
  const auto json = engine::yaml_to_json(text);
  if (!json.ok()) return 0;
  if (!is_json(json.value())) std::abort();
  const auto spec = oci::parse_cdi(json.value());
  if (!spec.ok()) return 0;
  const bool good = std::ranges::all_of(
      spec.value().devices, [&](const auto& device) { return oci::parse_cdi_name(spec.value().kind + "=" + device.first).ok(); });
  if (!good) std::abort();
  return 0;
}
