// Loading archives in the forms that tools write, through the installer, and the commit's markers.
#include "image/load.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "image/layer_files.h"
#include "image/reference.h"
#include "sys/file.h"
#include "tests/unit/image/test_server.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::image;
using namespace slipway::test;
namespace fs = std::filesystem;

namespace {

struct Bench {
  TempDir dir;
  Request request;
  Bench() {
    request.operation = "load";
    request.root = dir.path + "/store";
    request.path = dir.path + "/archive";
  }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(dir.path + "/archive/" + name).parent_path());
    std::ofstream(dir.path + "/archive/" + name) << text;
  }
  // An OCI layout directory of the image.
  void layout(const TestImage& image, const std::string& annotations = "{}",
              const std::string& type = std::string(oci::kMediaOciManifest)) const {
    write("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    write("index.json", "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" + type + "\",\"digest\":\"" + image.manifest_digest +
                            "\",\"size\":" + std::to_string(image.manifest.size()) + ",\"annotations\":" + annotations + "}]}");
    for (const auto& [digest, bytes] : image.blobs) write("blobs/sha256/" + digest.substr(7), bytes);
  }
  Result<Outcome> load() const {
    const UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    Reporter reporter(null.get());
    return image::load(request, reporter);
  }
  std::string read(const PulledImage& image, const std::string& path) const {
    const auto layers = sys::open_path(request.root + "/layers", O_RDONLY | O_DIRECTORY);
    const auto stack = LayerStack::open(layers.value(), image.layers);
    REQUIRE(stack.ok());
    const auto r = stack.value().read_file(path, 1 << 20);
    return r.ok() ? r.value() : r.error().message;
  }
  std::size_t entries() const {
    const auto layers = sys::open_path(request.root + "/layers", O_RDONLY | O_DIRECTORY);
    return layers.ok() ? sys::list_directory(layers.value()).value().size() : 0;
  }
};

TestImage two_layers() {
  return TestImage({make_tar({dir("./"), dir("tmp/", 01777), file("a", "base"), file("b", "base"), dir("etc/"), file("etc/x")}),
                    make_tar({file("a", "top"), file(".wh.b"), file("tmp/new"), file("etc/.wh..wh..opq")})});
}

}  // namespace

TEST_CASE("an OCI layout is installed layer by layer", "[image]") {
  Bench bench;
  const TestImage image = two_layers();
  bench.layout(image, "{\"org.opencontainers.image.ref.name\":\"reg.example/x:1\"}");
  const auto r = bench.load();
  INFO((r.ok() ? "" : r.error().message));
  REQUIRE(r.ok());
  const PulledImage& got = r.value().images.at(0);
  CHECK(got.id == image.id);
  CHECK(got.manifest_digest == image.manifest_digest);
  CHECK(got.names == std::vector<std::string>{"reg.example/x:1"});
  CHECK(got.config.cmd == std::vector<std::string>{"/x"});
  CHECK(got.size > 8192);
  CHECK(bench.read(got, "a") == "top");
  CHECK_THAT(bench.read(got, "b"), Catch::Contains("not in the image"));
  CHECK_THAT(bench.read(got, "etc/x"), Catch::Contains("not in the image"));
  CHECK(bench.entries() == 2);  // the two layers, no lock or temporary left
  struct stat st {};
  REQUIRE(::stat((bench.request.root + "/layers/" + got.layers[1] + "/fs/tmp").c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 01777);  // the upper layer did not describe it: the lower one's counts
  REQUIRE(::stat((bench.request.root + "/layers").c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0700);
}

TEST_CASE("a layer without a marker is unpacked anew", "[image]") {
  Bench bench;
  bench.layout(two_layers());
  const auto first = bench.load();
  REQUIRE(first.ok());
  const PulledImage& got = first.value().images.at(0);
  const std::string layer = bench.request.root + "/layers/" + got.layers[0];
  fs::remove(layer + "/.complete");
  fs::remove(layer + "/fs/etc/x");  // as a power loss would
  fs::remove(layer + "/fs/b");
  const std::string other = bench.request.root + "/layers/" + got.layers[1] + "/fs/kept";
  std::ofstream(other) << "1";
  REQUIRE(bench.load().ok());
  CHECK(sys::exists(layer + "/.complete"));
  CHECK(sys::exists(layer + "/fs/b"));
  CHECK(sys::exists(other));  // the valid layer was left alone
}

TEST_CASE("a docker archive names its layers by file, and links among them", "[image]") {
  Bench bench;
  const TestImage image = two_layers();
  const std::string config = image.id.substr(7) + ".json";
  const std::string text = make_tar(
      {file(config, image.blobs.at(image.id)), dir("1/"), file("1/layer.tar", image.blobs.at(image.layer_digests[0])), dir("2/"),
       soft_link("2/layer.tar", "../3/layer.tar"), dir("3/"), file("3/layer.tar", image.blobs.at(image.layer_digests[1])),
       file("manifest.json", "[{\"Config\":\"" + config + "\",\"RepoTags\":[\"app:v1\"],\"Layers\":[\"1/layer.tar\",\"2/layer.tar\"]}]")});
  std::ofstream(bench.request.path) << text;
  const auto r = bench.load();
  INFO((r.ok() ? "" : r.error().message));
  REQUIRE(r.ok());
  CHECK(r.value().images.at(0).id == image.id);
  CHECK(r.value().images.at(0).names == std::vector<std::string>{"docker.io/library/app:v1"});
  CHECK(bench.read(r.value().images.at(0), "a") == "top");
  bench.request.reference = "other:2";
  CHECK(bench.load().value().images.at(0).names == std::vector<std::string>{"docker.io/library/other:2"});
}

TEST_CASE("archives cannot name files outside themselves", "[image][attack]") {
  Bench bench;
  const TestImage image = two_layers();
  std::ofstream(bench.dir.path + "/secret") << "{}";
  const std::string text = make_tar({soft_link("config", "../secret"), soft_link("abs", bench.dir.path + "/secret"),
                                     file("manifest.json", "[{\"Config\":\"config\",\"Layers\":[]}]")});
  std::ofstream(bench.request.path) << text;
  CHECK(bench.load().error().code == Code::not_found);
  fs::remove(bench.request.path);
  bench.layout(image);
  const std::string blob = bench.request.path + "/blobs/sha256/" + image.id.substr(7);
  fs::remove(blob);
  fs::create_symlink("../../../secret", blob);
  CHECK_FALSE(bench.load().ok());
}

TEST_CASE("what does not match its digest is refused and leaves nothing", "[image][attack]") {
  for (const int which : {0, 1, 2, 3}) {
    CAPTURE(which);
    Bench bench;
    TestImage image = two_layers();
    bench.layout(image);
    const std::string digest = which == 0   ? image.manifest_digest
                               : which == 1 ? image.id
                                            : image.layer_digests[static_cast<std::size_t>(which - 2)];
    std::string bytes = image.blobs.at(digest);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    bench.write("blobs/sha256/" + digest.substr(7), bytes);
    const auto r = bench.load();
    REQUIRE_FALSE(r.ok());
    CHECK(bench.entries() <= (which == 3 ? 1U : 0U));  // at most the honest base layer
  }
}

TEST_CASE("a layer that is not what the configuration says is refused", "[image][attack]") {
  Bench bench;
  TestImage image({make_tar({file("a")})});
  const TestImage other({make_tar({file("evil")})});
  const auto at = image.blobs.at(image.id).find(image.layer_digests[0]);
  std::string config = image.blobs.at(image.id);
  config.replace(at, 71, other.layer_digests[0]);
  const std::string id = image.add(config);
  std::string manifest = image.manifest;
  manifest.replace(manifest.find(image.id), 71, id);
  image.manifest = manifest;
  image.manifest_digest = image.add(manifest);
  bench.layout(image);
  const auto r = bench.load();
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().code == Code::data_loss);
  CHECK(bench.entries() == 0);
}

TEST_CASE("documents that could be two things are refused", "[image][attack]") {
  Bench bench;
  TestImage image = two_layers();
  image.manifest.insert(image.manifest.size() - 1, ",\"manifests\":[]");
  image.manifest_digest = image.add(image.manifest);
  bench.layout(image);
  CHECK(bench.load().error().code == Code::invalid_argument);
}

TEST_CASE("volumes that climb are refused, others are made absolute", "[image][attack]") {
  Bench bench;
  bench.layout(TestImage({make_tar({file("a")})}, "{\"Volumes\":{\"/../../../var/lib/kubelet\":{}}}"));
  CHECK(bench.load().error().code == Code::invalid_argument);
  Bench good;
  good.layout(TestImage({make_tar({file("a")})}, "{\"Volumes\":{\"data//x/\":{},\"/v\":{}}}"));
  const auto r = good.load();
  REQUIRE(r.ok());
  CHECK(r.value().images.at(0).config.volumes == std::vector<std::string>{"/data/x", "/v"});
}
