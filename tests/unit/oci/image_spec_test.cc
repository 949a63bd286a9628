// Image documents as registries serve them, and as attackers would.
#include "oci/image_spec.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::oci;
using Catch::Contains;

namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string descriptor(const std::string& type, const std::string& more = "") {
  return R"({"mediaType":")" + type + R"(","size":7,"digest":")" + kDigest + "\"" + more + "}";
}
std::string manifest(const std::string& type = std::string(kMediaOciManifest), const std::string& more = "") {
  return R"({"schemaVersion":2,)" + (type.empty() ? "" : "\"mediaType\":\"" + type + "\",") +
         "\"config\":" + descriptor(std::string(kMediaOciConfig)) + ",\"layers\":[" +
         descriptor("application/vnd.oci.image.layer.v1.tar+gzip") + "]" + more + "}";
}
std::string platform(const std::string& os, const std::string& arch, const std::string& variant = "") {
  return R"(,"platform":{"os":")" + os + R"(","architecture":")" + arch + "\"" +
         (variant.empty() ? "" : R"(,"variant":")" + variant + "\"") + "}";
}
std::string index(const std::vector<std::string>& platforms) {
  std::string out = R"({"schemaVersion":2,"mediaType":")" + std::string(kMediaOciIndex) + R"(","manifests":[)";
  for (std::size_t i = 0; i < platforms.size(); ++i)
    out += (i == 0 ? "" : ",") +
           descriptor(std::string(kMediaOciManifest), R"(,"annotations":{"n":")" + std::to_string(i) + "\"}" + platforms[i]);
  return out + "]}";
}
std::string chosen(const std::vector<std::string>& platforms, std::string_view arch, std::string_view variant = "") {
  const auto parsed = parse_index(index(platforms));
  REQUIRE(parsed.ok());
  const auto d = select_platform(parsed.value(), "linux", arch, variant);
  return d.ok() ? d.value().annotations.at("n") : d.error().message;
}
std::string refusal(const std::string& json, std::string_view type = "") {
  const auto r = parse_image_document(json, type);
  return r.ok() ? "ok" : r.error().message;
}

}  // namespace

TEST_CASE("a manifest, OCI and Docker", "[oci][image]") {
  const auto m = parse_manifest(manifest(), kMediaOciManifest);
  REQUIRE(m.ok());
  CHECK(m.value().config.digest == kDigest);
  REQUIRE(m.value().layers.size() == 1);
  CHECK(m.value().layers[0].size == 7);
  CHECK(parse_manifest(manifest("")).ok());
  CHECK(parse_manifest(manifest(""), "application/vnd.oci.image.manifest.v1+json; charset=utf-8").ok());
  CHECK(parse_manifest(manifest(std::string(kMediaDockerManifest)), kMediaDockerManifest).ok());
  CHECK_FALSE(parse_index(manifest()).ok());
}

TEST_CASE("a document that is two things is refused", "[oci][image][attack]") {
  CHECK_THAT(refusal(manifest("", R"(,"manifests":[])")), Contains("both a manifest and an index"));
  CHECK_THAT(refusal(manifest("", R"(,"Manifests":[])")), Contains("both a manifest and an index"));
  CHECK_THAT(refusal(manifest(std::string(kMediaOciIndex))), Contains("with the contents of a manifest"));
  CHECK_THAT(refusal(manifest(""), kMediaOciIndex), Contains("with the contents of a manifest"));
  CHECK_THAT(refusal(manifest(), kMediaDockerManifest), Contains("is not the"));
  CHECK_THAT(refusal(index({""}), kMediaOciManifest), Contains("is not the"));
  CHECK_THAT(refusal(manifest("text/html")), Contains("'text/html' is not known"));
  CHECK_THAT(refusal(R"({"schemaVersion":2})"), Contains("neither"));
  CHECK_THAT(refusal(R"({"schemaVersion":1,"fsLayers":[]})"), Contains("schema 1"));
  CHECK_THAT(refusal(R"({"schemaVersion":2,"config":null,"layers":null})"), Contains("neither"));
  CHECK_THAT(refusal(R"({"schemaVersion":2,"layers":[],"layers":[]})"), Contains("comes twice"));
}

TEST_CASE("descriptors are checked", "[oci][image]") {
  const auto bad = [](const std::string& d) { return refusal(R"({"schemaVersion":2,"config":)" + d + R"(,"layers":[]})"); };
  CHECK_THAT(bad(R"({"mediaType":"a","size":1})"), Contains("config: 'digest' is missing"));
  CHECK_THAT(bad(R"({"mediaType":"a","digest":")" + kDigest + "\"}"), Contains("config: 'size' is missing"));
  CHECK_THAT(bad(R"({"size":1,"digest":")" + kDigest + "\"}"), Contains("config: 'mediaType' is missing"));
  CHECK_THAT(bad(R"({"mediaType":"a","size":-1,"digest":")" + kDigest + "\"}"), Contains("config.size: -1 is not"));
  CHECK_THAT(bad(R"({"mediaType":"a","size":99999999999999999,"digest":")" + kDigest + "\"}"), Contains("config.size"));
  CHECK_THAT(bad(R"({"mediaType":"a","size":1,"digest":"sha256:../../etc"})"), Contains("config.digest"));
  CHECK_THAT(bad(R"({"mediaType":"a","size":1,"digest":"md5:00"})"), Contains("only sha256 and sha512"));
  CHECK(check_digest("sha512:" + std::string(128, '0')).ok());
  CHECK_FALSE(check_digest("sha256:" + std::string(64, 'A')).ok());
  CHECK_FALSE(check_digest("sha256:" + std::string(63, 'a')).ok());
  CHECK_FALSE(check_digest("sha256").ok());
}

TEST_CASE("numbers of layers and manifests are bounded", "[oci][image]") {
  std::string layers;
  for (int i = 0; i < 513; ++i) layers += (i == 0 ? "" : ",") + descriptor("application/vnd.oci.image.layer.v1.tar");
  CHECK_THAT(refusal(R"({"schemaVersion":2,"config":)" + descriptor("c") + ",\"layers\":[" + layers + "]}"),
             Contains("513 entries are more than 512"));
  std::string ids;
  for (int i = 0; i < 513; ++i) ids += (i == 0 ? "\"" : ",\"") + kDigest + "\"";
  const auto config = parse_image_config(R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[)" + ids + "]}}");
  REQUIRE_FALSE(config.ok());
  CHECK(config.error().code == Code::resource_exhausted);
}

TEST_CASE("the platform's own manifest is chosen", "[oci][image]") {
  CHECK(chosen({platform("linux", "arm64", "v8"), platform("linux", "amd64")}, "amd64") == "1");
  CHECK(chosen({platform("linux", "arm64"), platform("linux", "amd64")}, "arm64", "v8") == "0");
  CHECK(chosen({platform("windows", "amd64"), platform("linux", "amd64")}, "amd64") == "1");
  CHECK(chosen({platform("unknown", "unknown"), platform("linux", "amd64")}, "amd64") == "1");
  CHECK(chosen({platform("linux", "arm", "v5"), platform("linux", "arm", "v7"), platform("linux", "arm", "v6")}, "arm", "v7") == "1");
  CHECK(chosen({platform("linux", "arm", "v5"), platform("linux", "arm", "v7")}, "arm", "v6") == "0");
  CHECK(chosen({platform("linux", "amd64", "v3"), platform("linux", "amd64")}, "amd64") == "1");
  CHECK(chosen({platform("linux", "amd64"), platform("linux", "amd64", "v3")}, "amd64", "v3") == "1");
  CHECK(chosen({""}, "amd64") == "0");
  CHECK_THAT(chosen({platform("linux", "s390x"), platform("windows", "amd64")}, "amd64"),
             Contains("no manifest for linux/amd64: there is linux/s390x, windows/amd64"));
}

TEST_CASE("an image configuration", "[oci][image]") {
  const auto c = parse_image_config(R"({"created":"2026-01-01T00:00:00Z","architecture":"amd64","os":"linux","config":{"User":"1000:1000",
    "ExposedPorts":{"80/tcp":{}},"Env":["PATH=/bin"],"Entrypoint":["/e"],"Cmd":null,"Volumes":{"/v":{}},"WorkingDir":"/w",
    "Labels":{"a":"b"},"StopSignal":"SIGINT","Healthcheck":{"Test":["x"]}},
    "rootfs":{"type":"layers","diff_ids":[")" +
                                    kDigest + R"("]},"history":[{"created_by":"x"}]})");
  if (!c.ok()) FAIL(c.error().message);
  const ContainerConfig& k = c.value().config;
  CHECK((k.user == "1000:1000" && k.working_dir == "/w" && k.stop_signal == "SIGINT" && k.cmd.empty()));
  CHECK((k.exposed_ports == std::vector<std::string>{"80/tcp"} && k.volumes == std::vector<std::string>{"/v"}));
  CHECK((k.entrypoint == std::vector<std::string>{"/e"} && k.env == std::vector<std::string>{"PATH=/bin"} && k.labels.at("a") == "b"));
  CHECK(c.value().diff_ids == std::vector<std::string>{kDigest});
  CHECK(c.value().platform.architecture == "amd64");
  CHECK_FALSE(parse_image_config(R"({"architecture":"amd64"})").ok());
  CHECK_FALSE(parse_image_config(R"({"os":"linux","architecture":"amd64","config":{"Labels":{"a":")"
                                 "\xff"
                                 R"("}}})")
                  .ok());
}

TEST_CASE("layer types and the layout marker", "[oci][image]") {
  CHECK(layer_form("application/vnd.oci.image.layer.v1.tar").value() == LayerForm::tar);
  CHECK(layer_form("application/vnd.oci.image.layer.v1.tar+gzip").value() == LayerForm::gzip);
  CHECK(layer_form("application/vnd.oci.image.layer.v1.tar+zstd").value() == LayerForm::zstd);
  CHECK(layer_form("application/vnd.docker.image.rootfs.diff.tar.gzip").value() == LayerForm::gzip);
  CHECK(layer_form("application/vnd.oci.image.layer.v1.tar+gzip+encrypted").error().code == Code::unimplemented);
  CHECK_FALSE(layer_form("application/json").ok());
  CHECK(parse_layout_marker(R"({"imageLayoutVersion":"1.0.0"})").ok());
  CHECK_FALSE(parse_layout_marker(R"({"imageLayoutVersion":"2.0.0"})").ok());
}
