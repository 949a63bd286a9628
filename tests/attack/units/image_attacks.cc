// Attacks by images and registries: layers that reach outside, documents of two minds, bombs, tokens for strangers.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "image/http.h"
#include "image/layer_files.h"
#include "image/registry.h"
#include "image/tar.h"
#include "image/unpack.h"
#include "oci/image_spec.h"
#include "sys/file.h"
#include "tests/attack/units/polarity.h"
#include "tests/unit/image/make_tar.h"
#include "tests/unit/image/test_server.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::test;

namespace {

Result<void> unpack(const std::string& fs, const std::vector<TarItem>& items) {
  TRY_ASSIGN(const UniqueFd root, sys::open_path(fs, O_RDONLY | O_DIRECTORY));
  image::Budget budget(1 << 30);
  image::Unpacker unpacker(root, budget, 1000);
  const std::string text = make_tar(items);
  image::TextReader reader(text, 300);
  image::TarReader tar(reader);
  image::TarEntry entry;
  for (;;) {
    TRY_ASSIGN(const bool more, tar.next(entry));
    if (!more) return unpacker.finish();
    TRY(unpacker.apply(tar, entry));
  }
}

// Whether anything beside the layer's own directory is another after unpacking.
bool reaches_outside(const std::vector<TarItem>& items) {
  const TempDir dir;
  const std::string outside = dir.path + "/outside", victim = outside + "/victim", fs = dir.path + "/fs";
  REQUIRE((::mkdir(outside.c_str(), 0755) == 0 && ::mkdir(fs.c_str(), 0755) == 0));
  std::ofstream(victim) << "safe";
  (void)unpack(fs, items).ok();
  struct stat file {
  }, folder{};
  if (::lstat(victim.c_str(), &file) != 0 || ::stat(outside.c_str(), &folder) != 0) return true;
  const auto names = std::distance(std::filesystem::directory_iterator(outside), {});
  return names != 1 || (folder.st_mode & 07777) != 0755 || (file.st_mode & 07777) != 0644 || !S_ISREG(file.st_mode) || file.st_nlink != 1 ||
         sys::read_file(victim, 100).value() != "safe";
}

std::string manifest_of(std::size_t layers, const std::string& more = "") {
  const std::string descriptor =
      R"({"mediaType":"application/vnd.oci.image.layer.v1.tar","size":1,"digest":"sha256:)" + std::string(64, 'a') + "\"}";
  std::string list;
  for (std::size_t i = 0; i < layers; ++i) list += (i == 0 ? "" : ",") + descriptor;
  return R"({"schemaVersion":2,"config":)" + descriptor + ",\"layers\":[" + list + "]" + more + "}";
}

}  // namespace

TEST_CASE("'..' in a layer's names does not climb out of it", "[a26]") {
  check_attack("climbing,layer_root", [] { return reaches_outside({file("../outside/new")}); });
  check_attack("climbing,layer_root", [] { return reaches_outside({dir("a/"), file("a/../../outside/new")}); });
  check_attack("climbing,in_root", [] { return reaches_outside({hard_link("h", "../outside/victim")}); });
}

TEST_CASE("links of a layer lead inside it, for every kind of entry", "[a26]") {
  const TarItem up = soft_link("up", "../outside");
  check_attack("layer_root", [&] { return reaches_outside({up, file("up/new")}); });
  check_attack("layer_root", [&] { return reaches_outside({up, soft_link("up/new", "x")}); });
  check_attack("layer_root", [&] { return reaches_outside({up, dir("up/new/")}); });
  check_attack("layer_root", [&] { return reaches_outside({up, file("up/victim", "evil")}); });
  check_attack("layer_root", [&] { return reaches_outside({up, file("up/.wh.new")}); });
  const TarItem node = {.name = "up/node", .type = '3', .data = {}, .link = {}, .pax = {}, .major = 1, .minor = 3};
  check_attack("layer_root", [&] { return reaches_outside({up, node}); });
  check_attack("in_root", [&] { return reaches_outside({up, hard_link("h", "up/victim")}); });
}

TEST_CASE("a volume's path does not climb out of the image", "[a27]") {
  check_attack("climbing", [] {
    const auto path = image::clean_path("/../../../var/lib/kubelet");
    return path.ok() && path.value().starts_with("..");
  });
}

TEST_CASE("a document is a manifest or an index, not both", "[a29]") {
  for (const char* more : {R"(,"manifests":[])", R"(,"Manifests":[])"})
    check_attack("document_shape", [&] { return oci::parse_image_document(manifest_of(1, more)).ok(); });
  check_attack("document_shape", [&] { return oci::parse_manifest(manifest_of(1), oci::kMediaOciIndex).ok(); });
}

TEST_CASE("a manifest's layers are counted before they are believed", "[a33]") {
  check_attack("bounded_reads", [] { return oci::parse_manifest(manifest_of(600)).ok(); });
}

TEST_CASE("a sparse file's map is bounded", "[a33]") {
  check_attack("bounded_reads", [] {
    constexpr std::size_t kPieces = 70'000;
    std::string map = std::to_string(kPieces) + "\n";
    for (std::size_t i = 0; i < kPieces; ++i) map += std::to_string(i * 2) + "\n0\n";
    TarItem item = file("s", padded(map));
    item.pax = {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "s"}, {"GNU.sparse.realsize", "1000000"}};
    const std::string text = make_tar({item});
    image::TextReader reader(text, 4096);
    image::TarReader tar(reader);
    image::TarEntry entry;
    const auto more = tar.next(entry);
    return more.ok() && entry.segments.size() == kPieces;
  });
}

TEST_CASE("an image's passwd is read with a bound", "[a33]") {
  const TempDir dir;
  const std::string chain(64, 'a'), etc = dir.path + "/" + chain + "/fs/etc";
  std::filesystem::create_directories(etc);
  std::ofstream(etc + "/passwd") << "root";
  REQUIRE(::truncate((etc + "/passwd").c_str(), 64 << 20) == 0);
  check_attack("bounded_reads", [&] {
    const auto root = sys::open_path(dir.path, O_RDONLY | O_DIRECTORY);
    const auto stack = image::LayerStack::open(root.value(), {chain});
    REQUIRE(stack.ok());
    return stack.value().read_file("etc/passwd", 1 << 20).ok();
  });
}

TEST_CASE("a registry's credentials go to no other host", "[a41]") {
  check_attack("own_credentials", [] {
    const TestServer elsewhere([](const ServedRequest&) -> ServedReply { return {200, {}, "bytes"}; });
    const TestServer server([&](const ServedRequest& request) -> ServedReply {
      if (request.header("Authorization").empty()) return {401, {"WWW-Authenticate: Basic realm=\"r\""}, "{}"};
      return {307, {"Location: http://" + elsewhere.host() + "/foreign"}, {}};
    });
    image::RegistryOptions options;
    options.auth.username = "u";
    options.auth.password = "secret";
    auto registry = image::Registry::open(image::parse_reference(server.host() + "/a/b:1").take(), options);
    REQUIRE(registry.ok());
    image::HttpClient client(registry.value().http_options());
    oci::Descriptor blob;
    blob.digest = "sha256:" + std::string(64, 'a');
    blob.size = 5;
    (void)registry.value().blob(client, blob, [](std::string_view) { return Result<void>(); }).ok();
    const auto seen = elsewhere.requests();
    REQUIRE_FALSE(seen.empty());
    return std::ranges::any_of(seen, [](const ServedRequest& request) { return !request.header("Authorization").empty(); });
  });
}
