// Whether what a registry gives may be used by the node's policy: signatures as cosign makes them beside the image, checked by public keys.
//
// An image of digest sha256:HEX has its signatures in the manifest of the tag sha256-HEX.sig of its own repository: each layer is a small
// JSON payload that names the digest and the repository, its annotation the signature of the payload's bytes (SHA-256 with ECDSA or RSA,
// or Ed25519).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "image/registry.h"
#include "image/signature_policy.h"

namespace slipway::image {

// What the policy demands of one reference; its files are read already.
struct Demands {
  std::string policy;  // the file's path; empty = there is no policy
  ScopedRequirements scoped;
};

// Reads the policy and the keys it names for this reference: call before the process gives up its view of the file system. `aborted` where
// they cannot be used.
Result<Demands> read_demands(const std::string& policy_path, const std::string& reference);

// `aborted`: the policy refuses whatever the registry may give.
Result<void> check_refusals(const Demands& demands);

// `aborted`: no signature that the policy wants. Other codes: signatures could not be looked for. `digests` are sha256 ones of documents
// that mean the image, the index first: a signature of either is good, since the index names its manifests by digest.
Result<void> check_signatures(const Demands& demands, const Reference& reference, Registry& registry, HttpClient& client,
                              const std::vector<std::string>& digests);

// One signature alone: the key's, over these bytes.
Result<void> verify_signature(std::string_view pem, std::string_view payload, std::string_view base64);

}  // namespace slipway::image
