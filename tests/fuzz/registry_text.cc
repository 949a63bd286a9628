// What a registry, a person or a worker writes: references, challenges, the worker's lines.
#include <cstdint>
#include <string_view>

#include "image/auth.h"
#include "image/layout.h"
#include "image/reference.h"
#include "image/worker_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::image;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // What was accepted is accepted again, and means the same.
  if (const auto reference = parse_reference(text); reference.ok()) {
    const auto again = parse_reference(reference.value().canonical());
    if (!again.ok() || again.value().canonical() != reference.value().canonical()) __builtin_trap();
  }
  (void)parse_challenge(text).ok();
  (void)parse_line(text).ok();
  (void)parse_request(text).ok();
  (void)parse_marker(text).ok();
  return 0;
}
