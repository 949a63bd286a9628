// The pull.
#include "image/pull.h"

#include <memory>
#include <vector>

#include "base/fault.h"
#include "image/artifact.h"
#include "image/digest.h"
#include "image/registry.h"

namespace slipway::image {
namespace {

constexpr std::size_t kMaxConfig = 4 << 20;

class RegistryBlobs : public BlobStore {
 public:
  RegistryBlobs(Registry& registry, unsigned threads) : registry_(registry) {
    for (unsigned i = 0; i < threads; ++i) clients_.push_back(std::make_unique<HttpClient>(registry.http_options()));
  }
  Result<void> blob(unsigned thread, const oci::Descriptor& descriptor, const Sink& sink) override {
    TRY(fault::point("fetch a blob"));
    return registry_.blob(*clients_.at(thread), descriptor, sink);
  }
  HttpClient& first() { return *clients_.front(); }

 private:
  Registry& registry_;
  std::vector<std::unique_ptr<HttpClient>> clients_;
};

struct Resolved {
  oci::Manifest manifest;
  std::string text;
  std::string digest;                       // what the reference means: the index's where there is one
  std::vector<std::string> signed_digests;  // sha256 of what a signature may be for: the same, then the manifest
};

Result<Resolved> resolve(Registry& registry, HttpClient& client, const Reference& reference) {
  TRY(fault::point("fetch the manifest"));
  TRY_ASSIGN(const Document top, registry.manifest(client, reference.digest.empty() ? reference.tag : reference.digest));
  TRY_ASSIGN(auto document, oci::parse_image_document(top.text, top.media_type).context("image '{}'", reference.canonical()));
  if (auto* manifest = std::get_if<oci::Manifest>(&document))
    return Resolved{std::move(*manifest), top.text, top.digest, {digest_of(top.text)}};
  TRY_ASSIGN(
      const oci::Descriptor chosen,
      oci::select_platform(std::get<oci::Index>(document), "linux", oci::host_architecture()).context("image '{}'", reference.canonical()));
  TRY_ASSIGN(const Document inner, registry.manifest(client, chosen.digest));
  TRY_ASSIGN(oci::Manifest manifest, oci::parse_manifest(inner.text, inner.media_type).context("image '{}'", reference.canonical()));
  return Resolved{std::move(manifest), inner.text, top.digest, {digest_of(top.text), digest_of(inner.text)}};
}

Result<ImagePlan> plan_of(const Resolved& resolved, BlobStore& blobs) {
  if (is_artifact(resolved.manifest)) return plan_artifact(resolved.manifest, resolved.text);
  TRY_ASSIGN(const std::string config, blobs.text(resolved.manifest.config, kMaxConfig).context("configuration"));
  return plan_image(resolved.manifest, config);
}

}  // namespace

Result<Outcome> pull(const Request& request, const Demands& demands, Reporter& reporter) {
  TRY_ASSIGN(const Reference reference, parse_reference(request.reference));
  TRY(check_refusals(demands).context("image '{}'", reference.canonical()));  // before anybody is asked for it
  std::atomic<bool> stop{false};
  RegistryOptions options{request.auth, request.insecure_registries, {request.ca_file, request.limits.no_progress_seconds, &stop}};
  TRY_ASSIGN(Registry registry, Registry::open(reference, std::move(options)));
  RegistryBlobs blobs(registry, 8);
  reporter.progress("resolve", reference.canonical(), 0, 0);
  TRY_ASSIGN(const Resolved resolved, resolve(registry, blobs.first(), reference));
  if (!demands.policy.empty()) {
    reporter.progress("verify", reference.canonical(), 0, 0);
    TRY(check_signatures(demands, reference, registry, blobs.first(), resolved.signed_digests)
            .context("image '{}'", reference.canonical()));
  }
  TRY_ASSIGN(ImagePlan plan, plan_of(resolved, blobs).context("image '{}'", reference.canonical()));
  plan.manifest_digest = resolved.digest;
  plan.names.push_back(reference.canonical());
  TRY_ASSIGN(PulledImage image, install(request, plan, blobs, reporter, stop).context("image '{}'", reference.canonical()));
  Outcome outcome;
  outcome.images.push_back(std::move(image));
  return outcome;
}

}  // namespace slipway::image
