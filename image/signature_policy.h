// Which images may be pulled: the policy file of containers-policy.json(5), as podman and CRI-O read it, for the transport "docker".
//
// Strict, as the manual page demands: a field nobody knows, a repeated one or one of a wrong type makes the whole file void, and a void
// file lets nothing in. What slipway cannot check (OpenPGP, Fulcio, Rekor) is told from what it can: it refuses as `reject` does, with its
// reason. Pure; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/reference.h"

namespace slipway::image {

// Which name a signature has to give to what it signs.
struct SignedIdentity {
  enum class Kind { exact, repo_digest_or_exact, repository, exact_reference, exact_repository, remap };
  Kind kind = Kind::repo_digest_or_exact;
  std::string name;           // exact_reference, exact_repository; the prefix of remap
  std::string signed_prefix;  // remap
};

struct Requirement {
  enum class Kind { accept, reject, sigstore, unverifiable };
  Kind kind = Kind::reject;
  std::string reason;                  // unverifiable: why
  std::vector<std::string> key_paths;  // sigstore: PEM files; one of all keys has to have signed
  std::vector<std::string> keys;       // their texts
  SignedIdentity identity;
};
using Requirements = std::vector<Requirement>;  // all of them have to be met; never empty

struct SignaturePolicy {
  Requirements fallback;
  std::map<std::string, Requirements> docker;  // by scope; "" = the transport's default
};

Result<SignaturePolicy> parse_signature_policy(std::string_view text);

// The most specific ones alone, with the scope that they are written under.
struct ScopedRequirements {
  std::string scope;  // "default" or the scope within transports.docker
  Requirements requirements;
};
ScopedRequirements requirements_for(const SignaturePolicy& policy, const Reference& reference);

// Whether the name in a signature is one that the requirement takes for `pulled`. A reference with a digest is its digest: the tag beside
// it means nothing.
bool identity_accepted(const SignedIdentity& identity, const Reference& pulled, std::string_view signed_name);

}  // namespace slipway::image
