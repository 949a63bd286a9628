// Media types, digests and platforms of images.
#include <algorithm>
#include <array>

#include "oci/image_spec.h"

namespace slipway::oci {
namespace {

// From the best to the least that runs there. A variant "" is the architecture's common one.
std::vector<std::string_view> usable_variants(std::string_view architecture, std::string_view variant) {
  if (architecture == "arm") {
    constexpr std::array<std::string_view, 4> kOrder = {"v8", "v7", "v6", "v5"};
    const auto* from = std::find(kOrder.begin(), kOrder.end(), variant.empty() ? "v7" : variant);
    std::vector<std::string_view> out(from, kOrder.end());
    out.emplace_back("");
    return out;
  }
  if (architecture == "arm64") return {"v8", ""};
  if (architecture == "amd64") {
    constexpr std::array<std::string_view, 4> kOrder = {"v4", "v3", "v2", "v1"};
    const auto* from = std::find(kOrder.begin(), kOrder.end(), variant.empty() ? "v1" : variant);
    std::vector<std::string_view> out(from, kOrder.end());
    out.emplace_back("");
    return out;
  }
  return {variant};
}

std::string platforms_of(const Index& index) {
  std::string out;
  for (const Descriptor& d : index.manifests) {
    if (!d.platform) continue;
    if (out.size() > 256) return out + ", …";
    if (!out.empty()) out += ", ";
    out += d.platform->os + "/" + d.platform->architecture;
    if (!d.platform->variant.empty()) out += "/" + d.platform->variant;
  }
  return out.empty() ? "no platform" : out;
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

bool is_manifest_type(std::string_view type) {
  return type == kMediaOciManifest || type == kMediaDockerManifest;
}
bool is_index_type(std::string_view type) {
  return type == kMediaOciIndex || type == kMediaDockerList;
}

Result<LayerForm> layer_form(std::string_view type) {
  if (type.ends_with("+encrypted")) return fail(Code::unimplemented, "layer type '{}': encrypted layers are not supported", type);
  for (const std::string_view base :
       {"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar"}) {
    if (!type.starts_with(base)) continue;
    const std::string_view rest = type.substr(base.size());
    if (rest.empty()) return LayerForm::tar;
    if (rest == "+gzip") return LayerForm::gzip;
    if (rest == "+zstd") return LayerForm::zstd;
  }
  if (type == "application/vnd.docker.image.rootfs.diff.tar") return LayerForm::tar;
  if (type == "application/vnd.docker.image.rootfs.diff.tar.gzip" || type == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    return LayerForm::gzip;
  if (type == "application/vnd.docker.image.rootfs.diff.tar.zstd") return LayerForm::zstd;
  return fail(Code::invalid_argument, "layer type '{}' is not known", type);
}

Result<void> check_digest(std::string_view digest) {
  const std::size_t colon = digest.find(':');
  const std::string_view algorithm = digest.substr(0, colon);
  const std::string_view hex = colon == std::string_view::npos ? std::string_view() : digest.substr(colon + 1);
  const std::size_t length = algorithm == "sha256" ? 64 : algorithm == "sha512" ? 128 : 0;
  if (length == 0) return fail(Code::invalid_argument, "digest '{}': only sha256 and sha512 are supported", digest.substr(0, 160));
  if (hex.size() != length || !is_hex(hex))
    return fail(Code::invalid_argument, "digest '{}' is not {} lower hexadecimal digits", digest.substr(0, 160), length);
  return {};
}

Result<Descriptor> select_platform(const Index& index, std::string_view os, std::string_view architecture, std::string_view variant) {
  for (const std::string_view usable : usable_variants(architecture, variant)) {
    for (const Descriptor& d : index.manifests) {
      if (d.platform && d.platform->os == os && d.platform->architecture == architecture && d.platform->variant == usable) return d;
    }
  }
  // A sole manifest that does not say its platform: its configuration will.
  if (index.manifests.size() == 1 && !index.manifests.front().platform) return index.manifests.front();
  return fail(Code::not_found, "no manifest for {}/{}{}{}: there is {}", os, architecture, variant.empty() ? "" : "/", variant,
              platforms_of(index));
}

std::string_view host_architecture() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#else
#error "an architecture whose GOARCH is not known here"
#endif
}

}  // namespace slipway::oci
