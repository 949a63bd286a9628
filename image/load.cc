// The two archive forms.
#include "image/load.h"

#include <algorithm>
#include <optional>

#include "image/archive.h"
#include "image/artifact.h"
#include "image/digest.h"
#include "image/inflate.h"
#include "image/json_text.h"
#include "image/reference.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

constexpr std::size_t kMaxDocument = 4 << 20;
constexpr std::size_t kMaxImages = 256;
constexpr const char* kRefName = "org.opencontainers.image.ref.name";
constexpr const char* kFullName = "io.containerd.image.name";

std::string blob_path(const std::string& digest) {
  const auto colon = digest.find(':');
  return "blobs/" + digest.substr(0, colon) + "/" + digest.substr(colon + 1);
}

// Blobs by digest; without one (docker archives) by the member's name, which the loader itself put into `urls`.
class ArchiveBlobs : public BlobStore {
 public:
  explicit ArchiveBlobs(const Archive& archive) : archive_(archive) {}
  Result<void> blob(unsigned, const oci::Descriptor& descriptor, const Sink& sink) override {
    if (descriptor.digest.empty()) return archive_.read(descriptor.urls.at(0), sink);
    Hasher hasher(descriptor.digest);
    TRY(archive_.read(blob_path(descriptor.digest), [&](std::string_view bytes) {
      hasher.add(bytes);
      return sink(bytes);
    }));
    if (const std::string actual = hasher.finish(); actual != descriptor.digest)
      return fail(Code::data_loss, "blob {}: its digest is {}", descriptor.digest, actual);
    return {};
  }

 private:
  const Archive& archive_;
};

// The name that an index entry gives its image: containerd's annotation in full, the specification's if it is more than a tag.
std::vector<std::string> names_of(const oci::Descriptor& descriptor) {
  for (const char* key : {kFullName, kRefName}) {
    const auto found = descriptor.annotations.find(key);
    if (found == descriptor.annotations.end()) continue;
    if (key == kRefName && found->second.find_first_of("/:") == std::string::npos) continue;
    if (auto reference = parse_reference(found->second); reference.ok()) return {reference.value().canonical()};
  }
  return {};
}

Result<ImagePlan> plan_oci(const Archive& archive, BlobStore& blobs, const oci::Descriptor& descriptor) {
  TRY_ASSIGN(std::string text, blobs.text(descriptor, kMaxDocument));
  TRY_ASSIGN(auto document, oci::parse_image_document(text, descriptor.media_type));
  if (const auto* index = std::get_if<oci::Index>(&document)) {
    TRY_ASSIGN(const oci::Descriptor chosen, oci::select_platform(*index, "linux", oci::host_architecture()));
    TRY_ASSIGN(text, blobs.text(chosen, kMaxDocument));
    TRY_ASSIGN(oci::Manifest inner, oci::parse_manifest(text, chosen.media_type));
    document = std::move(inner);
  }
  const auto& manifest = std::get<oci::Manifest>(document);
  for (const oci::Descriptor& layer : manifest.layers)
    if (!archive.has(blob_path(layer.digest))) return fail(Code::not_found, "the archive lacks layer {}", layer.digest);
  ImagePlan plan;
  if (is_artifact(manifest)) {
    TRY_ASSIGN(plan, plan_artifact(manifest, text));
  } else {
    TRY_ASSIGN(const std::string config, blobs.text(manifest.config, kMaxDocument));
    TRY_ASSIGN(plan, plan_image(manifest, config));
  }
  plan.manifest_digest = descriptor.digest;
  plan.names = names_of(descriptor);
  return plan;
}

Result<std::vector<ImagePlan>> plan_layout(const Archive& archive, BlobStore& blobs) {
  TRY_ASSIGN(const std::string marker, archive.text("oci-layout", kMaxDocument));
  TRY(oci::parse_layout_marker(marker));
  TRY_ASSIGN(const std::string text, archive.text("index.json", kMaxDocument));
  TRY_ASSIGN(const oci::Index index, oci::parse_index(text));
  if (index.manifests.size() > kMaxImages) return fail(Code::resource_exhausted, "more than {} images", kMaxImages);
  std::vector<ImagePlan> plans;
  std::optional<Error> other;  // of an image for another platform: fatal only if there is none for ours
  for (const oci::Descriptor& descriptor : index.manifests) {
    auto plan = plan_oci(archive, blobs, descriptor);
    if (plan.ok())
      plans.push_back(std::move(plan).take());
    else if (plan.error().code == Code::not_found)
      other = std::move(plan).error();
    else
      return std::move(plan).error();
  }
  if (plans.empty()) return other ? *std::move(other) : fail(Code::not_found, "the layout holds no image");
  return plans;
}

Result<oci::Descriptor> docker_layer(const Archive& archive, const std::string& member, oci::LayerForm& form) {
  TRY_ASSIGN(const Archive::Part part, archive.part(member));
  char first[4] = {};
  (void)!::pread(part.file.get(), first, std::min<std::size_t>(sizeof first, part.size), static_cast<off_t>(part.offset));
  form = sniff_form({first, sizeof first});
  oci::Descriptor layer;
  layer.size = part.size;
  layer.urls.push_back(member);
  return layer;
}

Result<ImagePlan> plan_docker_image(const Archive& archive, const Json& item) {
  TRY_ASSIGN(const std::string text, archive.text(string_member(item, "Config"), kMaxDocument));
  TRY_ASSIGN(const oci::ImageConfig config, oci::parse_image_config(text));
  const std::vector<std::string> members = strings_member(item, "Layers");
  oci::Manifest manifest;  // what plan_image compares with the configuration
  std::vector<oci::LayerForm> forms;
  for (const std::string& member : members) {
    oci::LayerForm form{};
    TRY_ASSIGN(oci::Descriptor layer, docker_layer(archive, member, form));
    layer.media_type = "application/vnd.oci.image.layer.v1.tar";
    manifest.layers.push_back(std::move(layer));
    forms.push_back(form);
  }
  TRY_ASSIGN(ImagePlan plan, plan_image(manifest, text));
  for (std::size_t i = 0; i < forms.size(); ++i) plan.layers[i].form = forms[i];
  for (const std::string& name : strings_member(item, "RepoTags")) {
    TRY_ASSIGN(const Reference reference, parse_reference(name));
    plan.names.push_back(reference.canonical());
  }
  return plan;
}

Result<std::vector<ImagePlan>> plan_docker(const Archive& archive) {
  TRY_ASSIGN(const std::string text, archive.text("manifest.json", kMaxDocument));
  TRY_ASSIGN(const Json list, parse_json("manifest.json", text));
  if (!list.is_array() || list.empty() || list.size() > kMaxImages)
    return fail(Code::invalid_argument, "manifest.json: not a list of 1 to {} images", kMaxImages);
  std::vector<ImagePlan> plans;
  for (const Json& item : list) {
    TRY_ASSIGN(ImagePlan plan, plan_docker_image(archive, item));
    plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace

Result<Outcome> load(const Request& request, Reporter& reporter) {
  if (request.path.empty() || request.path.front() != '/')
    return fail(Code::invalid_argument, "load '{}': the path must be absolute", request.path);
  TRY_ASSIGN(const UniqueFd root, make_root(request.root));
  reporter.progress("resolve", request.path, 0, 0);
  TRY_ASSIGN(const std::unique_ptr<Archive> archive, Archive::open(request.path, root, request.limits.unpacked_bytes));
  ArchiveBlobs blobs(*archive);
  const bool layout = archive->has("oci-layout") && archive->has("index.json");
  if (!layout && !archive->has("manifest.json"))
    return fail(Code::invalid_argument, "{}: neither an OCI image layout nor a docker archive", request.path);
  TRY_ASSIGN(std::vector<ImagePlan> plans, (layout ? plan_layout(*archive, blobs) : plan_docker(*archive)).context("{}", request.path));
  if (!request.reference.empty()) {
    if (plans.size() != 1) return fail(Code::invalid_argument, "{}: holds {} images, one name is not for all", request.path, plans.size());
    TRY_ASSIGN(const Reference reference, parse_reference(request.reference));
    if (!reference.digest.empty()) return fail(Code::invalid_argument, "load: a name with a digest cannot be given");
    plans.front().names = {reference.canonical()};
  }
  Outcome outcome;
  std::atomic<bool> stop{false};
  for (const ImagePlan& plan : plans) {
    TRY_ASSIGN(PulledImage image, install(request, plan, blobs, reporter, stop).context("{}", request.path));
    outcome.images.push_back(std::move(image));
  }
  return outcome;
}

}  // namespace slipway::image
