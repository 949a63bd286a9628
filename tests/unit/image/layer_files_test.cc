// The merged view of layers is overlayfs's.
#include "image/layer_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "sys/file.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
namespace fs = std::filesystem;

namespace {

struct Layers {
  test::TempDir dir;
  std::vector<std::string> chains{std::string(64, 'a'), std::string(64, 'b'), std::string(64, 'c')};

  Layers() {
    for (const std::string& chain : chains) fs::create_directories(dir.path + "/" + chain + "/fs");
  }
  std::string path(int layer, const std::string& name) const {
    return dir.path + "/" + chains[static_cast<std::size_t>(layer)] + "/fs/" + name;
  }
  void file(int layer, const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(path(layer, name)).parent_path());
    std::ofstream(path(layer, name)) << text;
  }
  void link(int layer, const std::string& name, const std::string& to) const {
    fs::create_directories(fs::path(path(layer, name)).parent_path());
    fs::create_symlink(to, path(layer, name));
  }
  void whiteout(int layer, const std::string& name) const {
    fs::create_directories(fs::path(path(layer, name)).parent_path());
    REQUIRE(::mknod(path(layer, name).c_str(), S_IFCHR, ::makedev(0, 0)) == 0);
  }
  void opaque(int layer, const std::string& name) const {
    fs::create_directories(path(layer, name));
    REQUIRE(::setxattr(path(layer, name).c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0);
  }
  std::string read(const std::string& name, std::size_t limit = 1000) const {
    const auto root = sys::open_path(dir.path, O_RDONLY | O_DIRECTORY);
    auto stack = image::LayerStack::open(root.value(), chains);
    REQUIRE(stack.ok());
    auto r = stack.value().read_file(name, limit);
    return r.ok() ? r.value() : "error " + std::string(to_string(r.error().code));
  }
};

}  // namespace

TEST_CASE("the topmost file counts, and what hides it hides it", "[image]") {
  const Layers layers;
  layers.file(0, "etc/passwd", "base");
  layers.file(0, "etc/group", "group");
  layers.file(2, "etc/passwd", "top");
  layers.file(0, "gone", "x");
  layers.whiteout(1, "gone");
  layers.file(0, "back", "x");
  layers.whiteout(1, "back");
  layers.file(2, "back", "again");
  layers.file(0, "op/x", "x");
  layers.opaque(1, "op");
  layers.file(1, "op/y", "y");
  layers.file(0, "was_dir/x", "x");
  layers.file(1, "was_dir", "file");
  layers.file(2, "was_dir2/y", "y");
  layers.file(1, "was_dir2", "file");
  layers.file(0, "was_dir2/x", "x");
  CHECK(layers.read("etc/passwd") == "top");
  CHECK(layers.read("/etc/group") == "group");
  CHECK(layers.read("gone") == "error " + std::string(to_string(Code::not_found)));
  CHECK(layers.read("back") == "again");
  CHECK(layers.read("op/x") == "error " + std::string(to_string(Code::not_found)));
  CHECK(layers.read("op/y") == "y");
  CHECK(layers.read("was_dir") == "file");
  CHECK(layers.read("was_dir/x") == "error " + std::string(to_string(Code::not_found)));
  CHECK(layers.read("was_dir2/y") == "y");
  CHECK(layers.read("was_dir2/x") == "error " + std::string(to_string(Code::not_found)));
}

TEST_CASE("links lead inside the image, across layers, and end", "[image][attack]") {
  const Layers layers;
  layers.file(0, "usr/etc/passwd", "inside");
  layers.link(1, "etc", "usr/etc");
  layers.link(1, "abs", "/usr/etc/passwd");
  layers.link(2, "up", "../../../../usr/etc/../etc/passwd");
  layers.link(2, "host", "/proc/self/root/etc/passwd");
  layers.link(2, "host2", "../../../../../../../../../../etc/hostname");
  layers.link(0, "loop", "loop2");
  layers.link(1, "loop2", "loop");
  CHECK(layers.read("etc/passwd") == "inside");
  CHECK(layers.read("abs") == "inside");
  CHECK(layers.read("up") == "inside");
  CHECK(layers.read("../../etc/passwd") == "inside");
  CHECK(layers.read("host") == "error " + std::string(to_string(Code::not_found)));
  CHECK(layers.read("host2") == "error " + std::string(to_string(Code::not_found)));
  CHECK(layers.read("loop") == "error " + std::string(to_string(Code::resource_exhausted)));
}

TEST_CASE("a path is there or not, as overlayfs would have it", "[image]") {
  const Layers layers;
  layers.file(0, "d/kept", "x");
  layers.file(0, "gone/below", "x");
  layers.whiteout(1, "gone");
  layers.link(2, "to", "d");
  layers.link(2, "loop", "loop");
  REQUIRE(::mkfifo(layers.path(0, "fifo").c_str(), 0600) == 0);
  const auto root = sys::open_path(layers.dir.path, O_RDONLY | O_DIRECTORY);
  const auto stack = image::LayerStack::open(root.value(), layers.chains);
  REQUIRE(stack.ok());
  for (const char* there : {"d", "d/", "d/kept", "to/kept", "to", "/"}) CHECK(stack.value().check_path(there).ok());
  for (const char* absent : {"gone", "gone/below", "d/other", "d/kept/x"})
    CHECK(stack.value().check_path(absent).error().code == Code::not_found);
  CHECK(stack.value().check_path("fifo").error().code == Code::failed_precondition);
  CHECK(stack.value().check_path("loop").error().code == Code::resource_exhausted);
}

TEST_CASE("only regular files of bounded length are read", "[image][attack]") {
  const Layers layers;
  layers.file(0, "exact", std::string(100, 'x'));
  REQUIRE(::mkfifo(layers.path(0, "fifo").c_str(), 0600) == 0);  // opening it for reading would wait for a writer
  REQUIRE(::mknod(layers.path(0, "zero").c_str(), S_IFCHR | 0600, ::makedev(1, 5)) == 0);
  layers.file(0, "sparse", "");
  REQUIRE(::truncate(layers.path(0, "sparse").c_str(), 4LL << 30) == 0);
  CHECK(layers.read("exact", 100).size() == 100);
  CHECK(layers.read("exact", 99) == "error " + std::string(to_string(Code::resource_exhausted)));
  CHECK(layers.read("sparse", 1 << 20) == "error " + std::string(to_string(Code::resource_exhausted)));
  for (const char* name : {"fifo", "zero", "/"}) CHECK(layers.read(name) == "error " + std::string(to_string(Code::failed_precondition)));
}
