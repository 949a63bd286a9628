// The OCI image specification's documents as values: descriptors, manifests, indexes, image configurations; Docker schema 2 too.
//
// Pure, any thread. Documents come from registries: at most 4 MiB, 64 levels, 512 layers, 4096 manifests; every digest is checked for its
// form. A document that could be read as both a manifest and an index is refused (CVE-2021-41190).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace slipway::oci {

inline constexpr std::string_view kMediaOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kMediaOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kMediaOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kMediaDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kMediaDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kMediaDockerConfig = "application/vnd.docker.container.image.v1+json";

struct Platform {
  std::string architecture;  // GOARCH: "amd64", "arm64", …
  std::string os;            // "linux"
  std::string variant;       // "v7", "v8"; "" = the architecture's common one
  std::string os_version;
  std::vector<std::string> os_features;
};

struct Descriptor {
  std::string media_type;
  std::string digest;  // "sha256:<64 hex>" or "sha512:<128 hex>"
  std::uint64_t size = 0;
  std::vector<std::string> urls;
  std::map<std::string, std::string> annotations;
  std::optional<Platform> platform;
  std::string artifact_type;
};

struct Manifest {
  std::string media_type;  // "" where an OCI document does not say
  std::string artifact_type;
  Descriptor config;
  std::vector<Descriptor> layers;
  std::optional<Descriptor> subject;
  std::map<std::string, std::string> annotations;
};

struct Index {
  std::string media_type;
  std::string artifact_type;
  std::vector<Descriptor> manifests;
  std::map<std::string, std::string> annotations;
};

struct ContainerConfig {
  std::string user;  // as written; whoever resolves it checks it (attacks.md 1 and 34)
  std::vector<std::string> exposed_ports;
  std::vector<std::string> env;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::string> volumes;
  std::string working_dir;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
};

struct ImageConfig {
  std::string created;  // RFC 3339 or ""
  std::string author;
  Platform platform;
  ContainerConfig config;
  std::vector<std::string> diff_ids;
};

enum class LayerForm { tar, gzip, zstd };

// `content_type` is what the registry or the parent's descriptor says, "" if nothing: it must agree with the document.
Result<std::variant<Manifest, Index>> parse_image_document(std::string_view json, std::string_view content_type = {});
Result<Manifest> parse_manifest(std::string_view json, std::string_view content_type = {});
Result<Index> parse_index(std::string_view json, std::string_view content_type = {});
Result<ImageConfig> parse_image_config(std::string_view json);

// "oci-layout" of an image layout: ok when imageLayoutVersion is 1.
Result<void> parse_layout_marker(std::string_view json);

bool is_manifest_type(std::string_view media_type);  // of an image, OCI or Docker
bool is_index_type(std::string_view media_type);
// How a layer is packed; unimplemented for encrypted ones, invalid_argument for what is no layer.
Result<LayerForm> layer_form(std::string_view media_type);

Result<void> check_digest(std::string_view digest);

// The best manifest for the platform: its own variant first, then older ones (arm: v7, v6, v5; amd64: v3, v2, v1). Attestations
// (platform unknown/unknown) never match. not_found names what there is instead.
Result<Descriptor> select_platform(const Index& index, std::string_view os, std::string_view architecture, std::string_view variant = {});

// GOARCH of this build.
std::string_view host_architecture();

}  // namespace slipway::oci
