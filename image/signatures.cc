// Fetching signatures and looking at them.
#include "image/signatures.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <memory>
#include <set>

#include "base/text.h"
#include "image/json_text.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

using Kind = Requirement::Kind;

constexpr std::size_t kMaxPolicy = 1 << 20, kMaxKey = 64 << 10, kMaxPayload = 64 << 10;
constexpr std::size_t kMaxSignatures = 32, kMaxReasons = 3;
constexpr int kLeastRsaBits = 2048, kLeastCurveBits = 256;
constexpr std::string_view kPayloadType = "application/vnd.dev.cosign.simplesigning.v1+json";
constexpr const char* kSignatureAnnotation = "dev.cosignproject.cosign/signature";
constexpr std::string_view kSignedType = "cosign container image signature";

struct Signature {
  std::string payload, base64;
};

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// OpenSSL's last word, and an empty queue for the next one.
std::string openssl_words() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* words = code == 0 ? nullptr : ERR_reason_error_string(code);
  return words == nullptr ? "" : fmt::format(": {}", words);
}

Result<Key> read_key(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  Key key(bio == nullptr ? nullptr : PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (key == nullptr) return fail(Code::invalid_argument, "no public key in PEM{}", openssl_words());
  const int type = EVP_PKEY_base_id(key.get()), bits = EVP_PKEY_bits(key.get());
  const bool strong =
      type == EVP_PKEY_ED25519 || (type == EVP_PKEY_EC && bits >= kLeastCurveBits) || (type == EVP_PKEY_RSA && bits >= kLeastRsaBits);
  if (!strong)
    return fail(Code::invalid_argument, "a key of {} bits that is none of Ed25519, ECDSA from {} and RSA from {} bits on", bits,
                kLeastCurveBits, kLeastRsaBits);
  return key;
}

Error refuse(const Demands& demands, const std::string& why) {
  return fail(Code::aborted, "{} of {}: {}", demands.scoped.scope, demands.policy, why);
}

// What a signature is about; only after its bytes are known to be the signer's.
struct Claim {
  std::string digest, name;
};

Result<Claim> parse_claim(std::string_view payload) {
  TRY_ASSIGN(const Json json, parse_json("payload", payload));
  const auto only = [](const Json* object, const std::set<std::string_view>& fields) {
    return object != nullptr && object->is_object() && object->size() == fields.size() &&
           std::all_of(fields.begin(), fields.end(), [&](std::string_view field) { return object->contains(field); });
  };
  const Json* critical = member(json, "critical");
  if (!only(critical, {"type", "image", "identity"}) || !only(member(*critical, "image"), {"docker-manifest-digest"}) ||
      !only(member(*critical, "identity"), {"docker-reference"}))
    return fail(Code::invalid_argument, "its payload is not of the form that is known");
  if (string_member(*critical, "type") != kSignedType) return fail(Code::invalid_argument, "its payload is of another type");
  return Claim{string_member(*member(*critical, "image"), "docker-manifest-digest"),
               string_member(*member(*critical, "identity"), "docker-reference")};
}

Result<void> check_one(const Requirement& requirement, const Reference& reference, const std::vector<std::string>& digests,
                       const Signature& signature) {
  std::string why = "no key";
  const bool good = std::any_of(requirement.keys.begin(), requirement.keys.end(), [&](const std::string& key) {
    const auto verified = verify_signature(key, signature.payload, signature.base64);
    if (!verified.ok()) why = verified.error().message;
    return verified.ok();
  });
  if (!good) return fail(Code::aborted, "{}", why);
  TRY_ASSIGN(const Claim claim, parse_claim(signature.payload));
  if (std::find(digests.begin(), digests.end(), claim.digest) == digests.end())
    return fail(Code::aborted, "it is for another image, {}", claim.digest.substr(0, 80));
  if (!identity_accepted(requirement.identity, reference, claim.name))
    return fail(Code::aborted, "it names '{}', which is not accepted", claim.name.substr(0, 300));
  return {};
}

Result<std::string> read_payload(Registry& registry, HttpClient& client, const oci::Descriptor& descriptor) {
  if (descriptor.size > kMaxPayload) return fail(Code::resource_exhausted, "a payload of {} bytes", descriptor.size);
  std::string out;  // as long as its descriptor says, at most
  TRY(registry.blob(client, descriptor, [&](std::string_view bytes) -> Result<void> {
    out += bytes;
    return {};
  }));
  return out;
}

Result<void> fetch_signatures(Registry& registry, HttpClient& client, const std::string& digest, std::vector<Signature>& out) {
  std::string tag = digest + ".sig";
  std::replace(tag.begin(), tag.end(), ':', '-');
  const auto document = registry.manifest(client, tag);
  if (!document.ok() && document.error().code == Code::not_found) return {};
  if (!document.ok()) return document.error();
  const auto manifest = oci::parse_manifest(document.value().text, document.value().media_type);
  if (!manifest.ok()) return fail(Code::aborted, "tag '{}': {}", tag, manifest.error().message);
  for (const oci::Descriptor& layer : manifest.value().layers) {
    const auto annotation = layer.annotations.find(kSignatureAnnotation);
    if (layer.media_type != kPayloadType || annotation == layer.annotations.end()) continue;
    if (out.size() == kMaxSignatures) return {};
    TRY_ASSIGN(std::string payload, read_payload(registry, client, layer).context("tag '{}'", tag));
    out.push_back({std::move(payload), annotation->second});
  }
  return {};
}

Result<void> check_requirement(const Demands& demands, const Requirement& requirement, const Reference& reference,
                               const std::vector<std::string>& digests, const std::vector<Signature>& signatures) {
  if (signatures.empty()) return refuse(demands, fmt::format("a signature is wanted, {} has none", digests.front()));
  std::vector<std::string> reasons;
  for (const Signature& signature : signatures) {
    const auto checked = check_one(requirement, reference, digests, signature);
    if (checked.ok()) return {};
    if (reasons.size() < kMaxReasons) reasons.push_back(checked.error().message);
  }
  return refuse(demands, fmt::format("none of {} signatures is good: {}", signatures.size(), join(reasons, "; ")));
}

}  // namespace

Result<void> verify_signature(std::string_view pem, std::string_view payload, std::string_view base64) {
  TRY_ASSIGN(const Key key, read_key(pem));
  TRY_ASSIGN(const std::string signature, decode_base64(base64));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const EVP_MD* hash = EVP_PKEY_base_id(key.get()) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256();
  if (context == nullptr || EVP_DigestVerifyInit(context.get(), nullptr, hash, nullptr, key.get()) != 1)
    return fail(Code::internal, "OpenSSL does not start{}", openssl_words());
  const auto bytes = [](std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); };
  // 1 alone is good; below zero is an error.
  if (EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(payload), payload.size()) == 1) return {};
  (void)openssl_words();
  return fail(Code::aborted, "it is not the key's");
}

Result<Demands> read_demands(const std::string& policy_path, const std::string& reference) {
  Demands out;
  if (policy_path.empty()) return out;
  out.policy = policy_path;
  TRY_ASSIGN(const Reference parsed, parse_reference(reference));
  const auto unusable = [&](const Error& error) {
    return fail(Code::aborted, "image '{}': the signature policy {}: {}", parsed.canonical(), policy_path, error.message);
  };
  const auto text = sys::read_file(policy_path, kMaxPolicy);
  if (!text.ok()) return unusable(text.error());
  const auto policy = parse_signature_policy(text.value());
  if (!policy.ok()) return unusable(policy.error());
  out.scoped = requirements_for(policy.value(), parsed);
  for (Requirement& requirement : out.scoped.requirements) {
    for (const std::string& path : requirement.key_paths) {
      auto key = sys::read_file(path, kMaxKey);
      if (!key.ok()) return unusable(key.error());
      requirement.keys.push_back(std::move(key).take());
    }
    for (const std::string& key : requirement.keys)
      if (const auto good = read_key(key); !good.ok()) return unusable(good.error());
  }
  return out;
}

Result<void> check_refusals(const Demands& demands) {
  for (const Requirement& requirement : demands.scoped.requirements) {
    if (requirement.kind == Kind::reject) return refuse(demands, "it is rejected");
    if (requirement.kind == Kind::unverifiable) return refuse(demands, requirement.reason);
  }
  return {};
}

Result<void> check_signatures(const Demands& demands, const Reference& reference, Registry& registry, HttpClient& client,
                              const std::vector<std::string>& digests) {
  TRY(check_refusals(demands));
  const auto& requirements = demands.scoped.requirements;
  const auto wanted = [](const Requirement& requirement) { return requirement.kind == Kind::sigstore; };
  if (std::none_of(requirements.begin(), requirements.end(), wanted)) return {};
  std::vector<Signature> signatures;
  for (const std::string& digest : digests) TRY(fetch_signatures(registry, client, digest, signatures).context("signatures"));
  for (const Requirement& requirement : requirements)
    if (wanted(requirement)) TRY(check_requirement(demands, requirement, reference, digests, signatures));
  return {};
}

}  // namespace slipway::image
