// Layers become overlay directories, and no tar reaches outside its own (CVE-2021-32760, CVE-2025-47290).
#include "image/unpack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "sys/file.h"
#include "tests/unit/image/make_tar.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::test;

namespace {

struct Layer {
  TempDir dir;
  std::string outside = dir.path + "/outside", fs = dir.path + "/fs";
  Result<void> how;
  image::LayerInfo info;
  std::vector<std::string> implied;

  explicit Layer(const std::vector<TarItem>& items, std::uint64_t budget = 1 << 30, std::uint64_t entries = 1000) {
    REQUIRE(::mkdir(outside.c_str(), 0755) == 0);
    REQUIRE(::mkdir(fs.c_str(), 0755) == 0);
    std::ofstream(outside + "/victim") << "safe";
    how = run(make_tar(items), budget, entries);
  }

  Result<void> run(const std::string& text, std::uint64_t bytes, std::uint64_t entries) {
    TRY_ASSIGN(const UniqueFd root, sys::open_path(fs, O_RDONLY | O_DIRECTORY));
    image::Budget budget(bytes);
    image::Unpacker unpacker(root, budget, entries);
    image::TextReader reader(text, 300);
    image::TarReader tar(reader);
    image::TarEntry entry;
    for (;;) {
      TRY_ASSIGN(const bool more, tar.next(entry));
      if (!more) break;
      TRY(unpacker.apply(tar, entry));
    }
    TRY(unpacker.finish());
    info = unpacker.info();
    implied = unpacker.implied();
    return {};
  }

  struct stat stat_of(const std::string& path) const {
    struct stat st {};
    REQUIRE(::lstat((fs + "/" + path).c_str(), &st) == 0);
    return st;
  }
  bool has(const std::string& path) const {
    struct stat st {};
    return ::lstat((fs + "/" + path).c_str(), &st) == 0;
  }
  bool whiteout(const std::string& path) const {
    const struct stat st = stat_of(path);
    return S_ISCHR(st.st_mode) && st.st_rdev == ::makedev(0, 0);
  }
  bool opaque(const std::string& path) const {
    char value = 0;
    return ::lgetxattr((fs + "/" + path).c_str(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
  }
  std::string text(const std::string& path) const { return sys::read_file(fs + "/" + path, 1 << 20).value(); }
  // Nothing next to the layer changed.
  void check_outside() const {
    CHECK(sys::read_file(outside + "/victim", 100).value() == "safe");
    const auto dir_fd = sys::open_path(outside, O_RDONLY | O_DIRECTORY);
    CHECK(sys::list_directory(dir_fd.value()).value() == std::vector<std::string>{"victim"});
    struct stat st {};
    REQUIRE(::stat((outside + "/victim").c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0644);
    CHECK(st.st_nlink == 1);
    const auto parent = sys::open_path(dir.path, O_RDONLY | O_DIRECTORY);
    CHECK(sys::list_directory(parent.value()).value().size() == 2);
  }
};

}  // namespace

TEST_CASE("modes, owners, times, links and nodes are the tar's", "[image]") {
  TarItem suid = file("bin/su", "#!");
  suid.mode = 04755;
  suid.uid = 10;
  suid.gid = 20;
  TarItem node = {.name = "null", .type = '3', .data = {}, .link = {}, .mode = 0666, .pax = {}, .major = 1, .minor = 3};
  TarItem fifo = {.name = "fifo", .type = '6', .data = {}, .link = {}, .pax = {}};
  TarItem xattr = file("x");
  xattr.pax = {{"SCHILY.xattr.user.k", "v"}, {"SCHILY.xattr.trusted.overlay.redirect", "/etc"}, {"SCHILY.xattr.user.overlay.opaque", "y"}};
  const Layer layer(
      {dir("./", 0711), dir("bin/"), suid, hard_link("bin/su2", "bin/su"), soft_link("l", "/bin"), node, fifo, xattr, dir("t/", 01777)});
  REQUIRE(layer.how.ok());
  const struct stat st = layer.stat_of("bin/su");
  CHECK((st.st_mode & 07777) == 04755);
  CHECK(st.st_uid == 10);
  CHECK(st.st_gid == 20);
  CHECK(st.st_mtime == 1000000000);
  CHECK(st.st_nlink == 2);
  CHECK((layer.stat_of(".").st_mode & 07777) == 0711);
  CHECK((layer.stat_of("t").st_mode & 07777) == 01777);
  CHECK(layer.stat_of("bin").st_mtime == 1000000000);  // although files were made in it afterwards
  CHECK(layer.stat_of("null").st_rdev == ::makedev(1, 3));
  CHECK(S_ISFIFO(layer.stat_of("fifo").st_mode));
  char value[8] = {};
  CHECK(::lgetxattr((layer.fs + "/x").c_str(), "user.k", value, 8) == 1);
  CHECK(::lgetxattr((layer.fs + "/x").c_str(), "trusted.overlay.redirect", value, 8) < 0);
  CHECK(::lgetxattr((layer.fs + "/x").c_str(), "user.overlay.opaque", value, 8) < 0);
  CHECK(layer.implied.empty());
}

TEST_CASE("whiteouts become overlayfs's", "[image]") {
  const Layer layer({dir("a/"), file("a/.wh.gone"), dir("o/"), file("o/.wh..wh..opq"), file("o/new"), file(".wh.top")});
  REQUIRE(layer.how.ok());
  CHECK(layer.whiteout("a/gone"));
  CHECK(layer.whiteout("top"));
  CHECK(layer.opaque("o"));
  CHECK(layer.text("o/new") == "x");
  CHECK_FALSE(layer.has("a/.wh.gone"));
  CHECK_FALSE(layer.has("o/.wh..wh..opq"));
}

TEST_CASE("a whiteout hides lower layers only, never the layer's own", "[image]") {
  const Layer layer({file("f", "mine"), file(".wh.f"), file(".wh.g"), file("g", "mine"), file(".wh.d"), dir("d/"), file("d/x"), dir("e/"),
                     file("e/x"), file(".wh.e"), file(".wh.i"), file("i/x")});
  REQUIRE(layer.how.ok());
  CHECK(layer.text("f") == "mine");
  CHECK(layer.text("g") == "mine");
  CHECK(layer.opaque("d"));
  CHECK(layer.opaque("e"));
  CHECK(layer.opaque("i"));
  CHECK(layer.text("i/x") == "x");
}

TEST_CASE("later entries replace earlier ones", "[image]") {
  const Layer layer({file("a", "1"), file("a", "2"), dir("b/"), file("b/x"), file("b", "file"), file("c"), dir("c/"), soft_link("d", "/"),
                     dir("d/"), file("d/y")});
  REQUIRE(layer.how.ok());
  CHECK(layer.text("a") == "2");
  CHECK(layer.text("b") == "file");
  CHECK(S_ISDIR(layer.stat_of("c").st_mode));
  CHECK(S_ISDIR(layer.stat_of("d").st_mode));
  CHECK(layer.text("d/y") == "x");
}

TEST_CASE("directories nobody described are named", "[image]") {
  Layer layer({file("p/q/f"), dir("p/"), soft_link("s", "elsewhere/deep"), file("s/f")});
  REQUIRE(layer.how.ok());
  std::sort(layer.implied.begin(), layer.implied.end());
  CHECK(layer.implied == std::vector<std::string>{"", "elsewhere", "elsewhere/deep", "p/q"});
  CHECK(layer.text("elsewhere/deep/f") == "x");  // through a link whose target only a lower layer has
}

TEST_CASE("no entry reaches outside the layer", "[image][attack]") {
  const std::vector<std::vector<TarItem>> attacks = {
      {file("../outside/new")},
      {file("a/../../outside/new")},
      {soft_link("up", "../outside"), file("up/new")},
      {soft_link("up", ".."), file("up/outside/new")},
      {soft_link("abs", "/../outside"), file("abs/new")},
      {soft_link("v", "../outside/victim"), file("v", "evil")},
      {hard_link("h", "../outside/victim")},
      {hard_link("h", "/../outside/victim"), file("h", "evil")},
      {soft_link("up", "../outside"), hard_link("h", "up/victim")},
      {soft_link("up", "../outside"), dir("up/", 0777)},
      {soft_link("v", "../outside/victim"), hard_link("v2", "v"), file("v2", "evil")},
      {soft_link("up", "../outside"), file("up/.wh.victim")},
      {soft_link("up", "../outside"), file("up/.wh..wh..opq")},
      {file(".wh...")},
      {file(".wh...", "x"), file("x/.wh...")},
      {soft_link("up", "../outside"), {.name = "up/node", .type = '3', .data = {}, .link = {}, .pax = {}, .major = 1, .minor = 3}},
      {soft_link("p", "/proc/self/root"), file("p/tmp/slipway-evil")},
  };
  for (std::size_t i = 0; i < attacks.size(); ++i) {
    CAPTURE(i);
    const Layer layer(attacks[i]);
    layer.check_outside();
  }
  CHECK_FALSE(sys::exists("/tmp/slipway-evil"));
  CHECK_FALSE(Layer(attacks[0]).how.ok());
  CHECK_FALSE(Layer(attacks[6]).how.ok());
  CHECK_FALSE(Layer(attacks[13]).how.ok());
}

TEST_CASE("absolute hosts' files are not what a link in the layer means", "[image][attack]") {
  TempDir host;
  std::ofstream(host.path + "/victim") << "safe";
  const Layer layer({soft_link("d", host.path), file("d/victim", "evil")});
  CHECK(sys::read_file(host.path + "/victim", 100).value() == "safe");
  REQUIRE(layer.how.ok());  // inside the layer the link's directory was made
  CHECK(layer.text(host.path.substr(1) + "/victim") == "evil");
}

TEST_CASE("budgets end a layer that is too much", "[image]") {
  const Layer big({file("a", std::string(100000, 'a'))}, 50000);
  REQUIRE_FALSE(big.how.ok());
  CHECK(big.how.error().code == Code::resource_exhausted);
  std::vector<TarItem> many;
  many.reserve(20);
  for (int i = 0; i < 20; ++i) many.push_back(file("f" + std::to_string(i)));
  const Layer count(many, 1 << 30, 10);
  REQUIRE_FALSE(count.how.ok());
  CHECK(count.how.error().code == Code::resource_exhausted);
  std::string deep;
  for (int i = 0; i < 600; ++i) deep += "d/";
  TarItem item = file("f");
  item.pax = {{"path", deep + "f"}};
  CHECK_FALSE(Layer({item}).how.ok());
}

TEST_CASE("sparse files keep their holes", "[image]") {
  TarItem item = file("s", padded("2\n0\n3\n1048576\n2\n") + "abcde");
  item.pax = {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "s"}, {"GNU.sparse.realsize", "1048600"}};
  const Layer layer({item}, 1 << 20);
  REQUIRE(layer.how.ok());
  CHECK(layer.stat_of("s").st_size == 1048600);
  CHECK(layer.stat_of("s").st_blocks * 512 < 65536);
  const std::string text = sys::read_file(layer.fs + "/s", 2 << 20).value();
  CHECK(text.substr(0, 4) == std::string("abc\0", 4));
  CHECK(text.substr(1048576, 2) == "de");
}
