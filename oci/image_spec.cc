// Reading manifests, indexes and image configurations.
#include "oci/image_spec.h"

#include <algorithm>
#include <span>

#include "base/weaken.h"
#include "oci/json_value.h"

namespace slipway::oci {
namespace json {
namespace {

constexpr std::size_t kMostLayers = 512;
constexpr std::size_t kMostManifests = 4096;
constexpr std::uint64_t kLargestBlob = 1ULL << 50;

Result<void> read(const Value& value, Platform& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "architecture") return json::read(v, out.architecture);
    if (key == "os") return json::read(v, out.os);
    if (key == "variant") return json::read(v, out.variant);
    if (key == "os.version") return json::read(v, out.os_version);
    if (key == "os.features") return json::read(v, out.os_features);
    return {};
  });
}

Result<void> read_size(const Value& value, std::uint64_t& out) {
  TRY_ASSIGN(out, read_unsigned(value, kLargestBlob));
  return {};
}

Result<void> read_digest(const Value& value, std::string& out) {
  TRY(json::read(value, out));
  const auto checked = check_digest(out);
  if (!checked.ok()) return value.error(Code::invalid_argument, "{}", checked.error().message);
  return {};
}

Result<void> read(const Value& value, Descriptor& out) {
  bool sized = false;
  TRY(value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "mediaType") return json::read(v, out.media_type);
    if (key == "digest") return read_digest(v, out.digest);
    if (key == "size") return sized = true, read_size(v, out.size);
    if (key == "urls") return json::read(v, out.urls);
    if (key == "annotations") return json::read(v, out.annotations);
    if (key == "platform") return read(v, out.platform.emplace());
    if (key == "artifactType") return json::read(v, out.artifact_type);
    return {};
  }));
  if (out.media_type.empty()) return value.error(Code::invalid_argument, "'mediaType' is missing");
  if (out.digest.empty()) return value.error(Code::invalid_argument, "'digest' is missing");
  if (!sized) return value.error(Code::invalid_argument, "'size' is missing");
  return {};
}

Result<void> read_descriptors(const Value& value, std::vector<Descriptor>& out, std::size_t most) {
  if (value.size() > most && !weakened(Defence::bounded_reads))
    return value.error(Code::resource_exhausted, "{} entries are more than {}", value.size(), most);
  return value.items([&](const Value& item) { return read(item, out.emplace_back()); });
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// What a document is, seen without believing any one of its fields (CVE-2021-41190). Other readers match names without regard to case.
struct Shape {
  std::string media_type;
  std::int64_t schema_version = 0;
  bool has_config = false;
  bool has_layers = false;
  bool has_manifests = false;
  bool has_fs_layers = false;
};

Result<Shape> read_shape(const Value& value) {
  Shape shape;
  TRY(value.members([&](std::string_view key, const Value& v) -> Result<void> {
    const std::string name = lowered(key);
    if (key == "mediaType") return json::read(v, shape.media_type);
    if (key == "schemaVersion") return json::read(v, shape.schema_version);
    shape.has_config = shape.has_config || name == "config";
    shape.has_layers = shape.has_layers || name == "layers";
    shape.has_manifests = shape.has_manifests || name == "manifests";
    shape.has_fs_layers = shape.has_fs_layers || name == "fslayers";
    return {};
  }));
  if (shape.has_fs_layers || shape.schema_version == 1)
    return fail(Code::unimplemented, "a Docker schema 1 manifest: push the image again with a present-day client");
  if (shape.schema_version != 2) return fail(Code::invalid_argument, "schemaVersion: {} is not 2", shape.schema_version);
  if (weakened(Defence::document_shape)) return shape;
  if (shape.has_manifests && (shape.has_layers || shape.has_config))
    return fail(Code::invalid_argument, "the document is both a manifest and an index");
  if (!shape.has_manifests && !(shape.has_layers && shape.has_config))
    return fail(Code::invalid_argument, "the document is neither a manifest (config, layers) nor an index (manifests)");
  return shape;
}

Result<void> check_types(const Shape& shape, std::string_view content_type) {
  if (weakened(Defence::document_shape)) return {};
  // A registry may add parameters: "…; charset=utf-8".
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  const bool named = is_manifest_type(type) || is_index_type(type);
  if (named && !shape.media_type.empty() && shape.media_type != type)
    return fail(Code::invalid_argument, "mediaType: '{}' is not the '{}' that it came as", shape.media_type, type);
  const std::string_view claimed = shape.media_type.empty() ? type : std::string_view(shape.media_type);
  if (is_manifest_type(claimed) && shape.has_manifests)
    return fail(Code::invalid_argument, "mediaType: '{}' with the contents of an index", claimed);
  if (is_index_type(claimed) && !shape.has_manifests)
    return fail(Code::invalid_argument, "mediaType: '{}' with the contents of a manifest", claimed);
  if (!shape.media_type.empty() && !is_manifest_type(shape.media_type) && !is_index_type(shape.media_type))
    return fail(Code::invalid_argument, "mediaType: '{}' is not known", shape.media_type);
  return {};
}

}  // namespace

// Found through their arguments from outside of this namespace, which an unnamed one would hide.
static Result<void> read(const Value& value, Manifest& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "mediaType") return json::read(v, out.media_type);
    if (key == "artifactType") return json::read(v, out.artifact_type);
    if (key == "config") return read(v, out.config);
    if (key == "layers") return read_descriptors(v, out.layers, kMostLayers);
    if (key == "subject") return read(v, out.subject.emplace());
    if (key == "annotations") return json::read(v, out.annotations);
    return {};
  });
}

static Result<void> read(const Value& value, Index& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "mediaType") return json::read(v, out.media_type);
    if (key == "artifactType") return json::read(v, out.artifact_type);
    if (key == "manifests") return read_descriptors(v, out.manifests, kMostManifests);
    if (key == "annotations") return json::read(v, out.annotations);
    return {};
  });
}

namespace {

// {"80/tcp": {}, …}: only the names mean something.
Result<void> read_names(const Value& value, std::vector<std::string>& out) {
  return value.members([&](std::string_view key, const Value&) -> Result<void> {
    out.emplace_back(key);
    return {};
  });
}

Result<void> read(const Value& value, ContainerConfig& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "User") return json::read(v, out.user);
    if (key == "ExposedPorts") return read_names(v, out.exposed_ports);
    if (key == "Env") return json::read(v, out.env);
    if (key == "Entrypoint") return json::read(v, out.entrypoint);
    if (key == "Cmd") return json::read(v, out.cmd);
    if (key == "Volumes") return read_names(v, out.volumes);
    if (key == "WorkingDir") return json::read(v, out.working_dir);
    if (key == "Labels") return json::read(v, out.labels);
    if (key == "StopSignal") return json::read(v, out.stop_signal);
    return {};
  });
}

Result<void> read_rootfs(const Value& value, ImageConfig& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "type" && !(v.kind() == Kind::string && v.node().text == "layers")) return v.not_known();
    if (key != "diff_ids") return {};
    if (v.size() > kMostLayers) return v.error(Code::resource_exhausted, "{} layers are more than {}", v.size(), kMostLayers);
    return v.items([&](const Value& item) { return read_digest(item, out.diff_ids.emplace_back()); });
  });
}

}  // namespace

static Result<void> read(const Value& value, ImageConfig& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "created") return json::read(v, out.created);
    if (key == "author") return json::read(v, out.author);
    if (key == "architecture") return json::read(v, out.platform.architecture);
    if (key == "os") return json::read(v, out.platform.os);
    if (key == "variant") return json::read(v, out.platform.variant);
    if (key == "os.version") return json::read(v, out.platform.os_version);
    if (key == "os.features") return json::read(v, out.platform.os_features);
    if (key == "config") return read(v, out.config);
    if (key == "rootfs") return read_rootfs(v, out);
    return {};
  });
}

static constexpr Limits kImageLimits{.strings = Bytes::utf8};

}  // namespace json

Result<std::variant<Manifest, Index>> parse_image_document(std::string_view text, std::string_view content_type) {
  TRY_ASSIGN(const json::Document document, json::Document::parse(text, json::kImageLimits));
  const json::Value root(document, document.root(), "");
  TRY_ASSIGN(const json::Shape shape, json::read_shape(root));
  TRY(json::check_types(shape, content_type));
  if (shape.has_manifests) {
    Index index;
    TRY(json::read(root, index));
    return std::variant<Manifest, Index>(std::move(index));
  }
  Manifest manifest;
  TRY(json::read(root, manifest));
  if (manifest.config.digest.empty()) return fail(Code::invalid_argument, "config: is missing");
  return std::variant<Manifest, Index>(std::move(manifest));
}

Result<Manifest> parse_manifest(std::string_view text, std::string_view content_type) {
  TRY_ASSIGN(auto document, parse_image_document(text, content_type));
  if (auto* manifest = std::get_if<Manifest>(&document)) return std::move(*manifest);
  return fail(Code::invalid_argument, "an index where a manifest should be");
}

Result<Index> parse_index(std::string_view text, std::string_view content_type) {
  TRY_ASSIGN(auto document, parse_image_document(text, content_type));
  if (auto* index = std::get_if<Index>(&document)) return std::move(*index);
  return fail(Code::invalid_argument, "a manifest where an index should be");
}

Result<ImageConfig> parse_image_config(std::string_view text) {
  TRY_ASSIGN(const json::Document document, json::Document::parse(text, json::kImageLimits));
  ImageConfig out;
  TRY(json::read(json::Value(document, document.root(), ""), out));
  if (out.platform.os.empty()) return fail(Code::invalid_argument, "os: is missing");
  if (out.platform.architecture.empty()) return fail(Code::invalid_argument, "architecture: is missing");
  return out;
}

Result<void> parse_layout_marker(std::string_view text) {
  TRY_ASSIGN(const json::Document document, json::Document::parse(text, json::kImageLimits));
  std::string version;
  TRY(json::Value(document, document.root(), "").members([&](std::string_view key, const json::Value& v) -> Result<void> {
    if (key == "imageLayoutVersion") return json::read(v, version);
    return {};
  }));
  if (!version.starts_with("1.")) return fail(Code::invalid_argument, "imageLayoutVersion: '{}' is not 1.x", version);
  return {};
}

}  // namespace slipway::oci
