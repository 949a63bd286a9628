// What a registry, a person or a worker writes: references, challenges, the worker's lines, signature policies.
#include <cstdint>
#include <string_view>

#include "image/auth.h"
#include "image/layout.h"
#include "image/reference.h"
#include "image/signature_policy.h"
#include "image/worker_protocol.h"

namespace {

// However strange it is: a policy that was read demands something of each image.
void read_policy(std::string_view text) {
  using namespace slipway::image;
  const auto policy = parse_signature_policy(text);
  if (!policy.ok()) return;
  const auto pulled = parse_reference("registry.example.org:5000/team/app:1");
  if (!pulled.ok()) __builtin_trap();
  const ScopedRequirements found = requirements_for(policy.value(), pulled.value());
  if (found.requirements.empty()) __builtin_trap();
  for (const Requirement& requirement : found.requirements) {
    if (requirement.kind == Requirement::Kind::sigstore && requirement.keys.empty() && requirement.key_paths.empty()) __builtin_trap();
    (void)identity_accepted(requirement.identity, pulled.value(), "registry.example.org:5000/team/app:1");
  }
}

}  // namespace

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
  read_policy(text);
  return 0;
}
