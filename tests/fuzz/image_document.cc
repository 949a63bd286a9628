// Manifests, indexes and image configurations as registries send them.
#include <cstdint>
#include <string_view>
#include <variant>

#include "oci/image_spec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::oci;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = parse_image_document(text);
  if (document.ok())
    if (const auto* index = std::get_if<Index>(&document.value())) (void)select_platform(*index, "linux", "amd64").ok();
  (void)parse_image_config(text).ok();
  (void)parse_layout_marker(text).ok();
  return 0;
}
