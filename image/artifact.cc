// Files as layers.
#include "image/artifact.h"

#include <algorithm>

#include "image/digest.h"
#include "oci/tar_header.h"

namespace slipway::image {
namespace {

constexpr std::string_view kTitle = "org.opencontainers.image.title";
constexpr std::string_view kConfigs[] = {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"};
constexpr std::size_t kMaxTitle = 1024;

class FileWrapper final : public Inflater {
 public:
  FileWrapper(std::string path, std::uint64_t size, PipeWriter& out) : path_(std::move(path)), size_(size), out_(out) {}

  Result<void> add(std::string_view bytes) override {
    TRY(begin());
    given_ += bytes.size();
    if (given_ > size_) return fail(Code::data_loss, "'{}' is longer than the {} bytes of its descriptor", path_, size_);
    return out_.add(bytes);
  }

  Result<void> finish() override {
    TRY(begin());
    if (given_ != size_) return fail(Code::data_loss, "'{}' has {} bytes, its descriptor says {}", path_, given_, size_);
    TRY(out_.add(std::string(oci::tar_padding(size_) + 2 * oci::kTarBlock, '\0')));
    return out_.flush();
  }

 private:
  Result<void> begin() {
    if (std::exchange(begun_, true)) return {};
    std::string records = oci::pax_record("path", path_) + oci::pax_record("size", std::to_string(size_));
    TRY(out_.add(oci::tar_block({.name = "file", .type = 'x', .size = records.size()})));
    records.resize(records.size() + oci::tar_padding(records.size()));
    TRY(out_.add(records));
    return out_.add(oci::tar_block({.name = "file"}));
  }

  std::string path_;
  std::uint64_t size_ = 0, given_ = 0;
  bool begun_ = false;
  PipeWriter& out_;
};

Result<std::string> file_name(const oci::Descriptor& layer) {
  const auto title = layer.annotations.find(std::string(kTitle));
  if (title == layer.annotations.end() || title->second.empty()) return layer.digest.substr(layer.digest.find(':') + 1);
  const std::string& name = title->second;
  if (name.size() > kMaxTitle || std::ranges::any_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return fail(Code::invalid_argument, "layer {}: its title is no name of a file", layer.digest);
  TRY_ASSIGN(std::string path, clean_path(name).context("layer {}: title", layer.digest));
  const std::string_view last = std::string_view(path).substr(path.rfind('/') + 1);
  // The unpacker would take it for a whiteout.
  if (path.empty() || last.starts_with(".wh."))
    return fail(Code::invalid_argument, "layer {}: title '{}' is no name of a file", layer.digest, name);
  return path;
}

}  // namespace

bool is_artifact(const oci::Manifest& manifest) {
  if (std::ranges::find(kConfigs, manifest.config.media_type) != std::end(kConfigs)) return false;
  if (!manifest.artifact_type.empty()) return true;
  return std::ranges::any_of(manifest.layers, [](const oci::Descriptor& layer) { return !oci::layer_form(layer.media_type).ok(); });
}

Result<ImagePlan> plan_artifact(const oci::Manifest& manifest, const std::string& manifest_text) {
  ImagePlan plan;
  plan.id = digest_of(manifest_text);
  plan.config_size = manifest.config.size;
  std::string chain;
  for (const oci::Descriptor& layer : manifest.layers) {
    LayerSpec spec;
    TRY_ASSIGN(spec.file, file_name(layer));
    // Never the chain of an image's layer, whose directory holds what a tar says.
    chain = digest_of(fmt::format("artifact {} {} {}", chain, layer.digest, spec.file)).substr(std::string_view("sha256:").size());
    spec.chain = chain;
    spec.diff_id = layer.digest;
    spec.blob = layer;
    plan.layers.push_back(std::move(spec));
  }
  return plan;
}

std::unique_ptr<Inflater> make_file_wrapper(std::string path, std::uint64_t size, PipeWriter& out) {
  return std::make_unique<FileWrapper>(std::move(path), size, out);
}

}  // namespace slipway::image
