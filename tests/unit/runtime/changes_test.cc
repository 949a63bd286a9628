// What a container changed as a tar, read back by tar(1): names, links, attributes, holes, and what is gone.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "runtime/criu/changes.h"
#include "sys/file.h"
#include "sys/process.h"
#include "tests/unit/slurp.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::runtime::criu;
namespace fs = std::filesystem;

namespace {

struct Layers {
  test::TempDir dir;
  std::string upper = dir.path + "/upper", lower = dir.path + "/lower", out = dir.path + "/out";

  Layers() {
    for (const std::string& path : {upper, lower, out}) fs::create_directory(path);
  }
  void file(const std::string& path, const std::string& text) const {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
  }
  Result<std::vector<std::string>> write() const {
    TRY_ASSIGN(const UniqueFd tar, sys::open_path(dir.path + "/changes.tar", O_RDWR | O_CREAT | O_TRUNC, 0600));
    TarWriter writer{FdRef(tar.get())};
    return write_changes(upper, {lower}, writer);
  }
  void extract() const {
    sys::SpawnRequest tar;
    tar.program = "/bin/tar";
    tar.argv = {"tar", "-C", out, "--xattrs", "--xattrs-include=*", "-xpf", dir.path + "/changes.tar"};
    auto child = sys::spawn(tar);
    REQUIRE(child.ok());
    CHECK(child.value().wait().value().code == 0);
  }
};

// A directory of a tmpfs.
struct Memory {
  std::string path = "/dev/shm/slipway-test-" + std::to_string(::getpid());
  std::string beside = path + "-beside";  // of the same file system
  Memory() {
    for (const std::string& one : {path, beside}) fs::create_directory(one);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
    for (const std::string& one : {path, beside}) fs::remove_all(one);
  }
};

}  // namespace

TEST_CASE("changed files come out of the tar as they went in", "[criu]") {
  Layers l;
  const std::string deep = "d/" + std::string(120, 'x') + "/" + std::string(200, 'y');
  l.file(l.upper + "/etc/passwd", "changed\n");
  l.file(l.upper + "/" + deep, "deep");
  l.file(l.upper + "/one", std::string(1'000'001, 'o'));
  REQUIRE(::link((l.upper + "/one").c_str(), (l.upper + "/two").c_str()) == 0);
  REQUIRE(::symlink("../etc/passwd", (l.upper + "/d/link").c_str()) == 0);
  REQUIRE(::mkfifo((l.upper + "/pipe").c_str(), 0600) == 0);
  REQUIRE(::chmod((l.upper + "/one").c_str(), 04711) == 0);
  REQUIRE(::chown((l.upper + "/etc").c_str(), 3'000'000, 7) == 0);
  REQUIRE(::setxattr((l.upper + "/etc/passwd").c_str(), "trusted.note", "a\nb=c", 5, 0) == 0);
  const auto deleted = l.write();
  REQUIRE(deleted.ok());
  CHECK(deleted.value().empty());
  l.extract();
  CHECK(test::slurp(l.out + "/etc/passwd") == "changed\n");
  CHECK(test::slurp(l.out + "/" + deep) == "deep");
  CHECK(test::slurp(l.out + "/two") == std::string(1'000'001, 'o'));
  CHECK(fs::read_symlink(l.out + "/d/link") == "../etc/passwd");
  CHECK(fs::is_fifo(l.out + "/pipe"));
  struct stat st {};
  REQUIRE(::stat((l.out + "/one").c_str(), &st) == 0);
  CHECK(st.st_nlink == 2);
  CHECK((st.st_mode & 07777) == 04711);
  REQUIRE(::stat((l.out + "/etc").c_str(), &st) == 0);
  CHECK(st.st_uid == 3'000'000);
  char value[16] = {};
  CHECK(::getxattr((l.out + "/etc/passwd").c_str(), "trusted.note", value, sizeof value) == 5);
  CHECK(std::string(value) == "a\nb=c");
}

TEST_CASE("a file's holes are none of the tar's bytes", "[criu][attack]") {
  Layers l;
  l.file(l.upper + "/hole", "begin");
  constexpr off_t kSize = off_t{1} << 40;
  REQUIRE(::truncate((l.upper + "/hole").c_str(), kSize) == 0);
  {
    const UniqueFd file = sys::open_path(l.upper + "/hole", O_WRONLY).take();
    REQUIRE(::pwrite(file.get(), "middle", 6, 1 << 30) == 6);
  }
  l.file(l.upper + "/nothing", "");
  REQUIRE(::truncate((l.upper + "/nothing").c_str(), 1 << 20) == 0);
  REQUIRE(l.write().ok());
  CHECK(fs::file_size(l.dir.path + "/changes.tar") < 100'000);
  l.extract();
  CHECK(fs::file_size(l.out + "/hole") == static_cast<std::uintmax_t>(kSize));
  CHECK(test::slurp(l.out + "/nothing") == std::string(1 << 20, '\0'));
  std::ifstream file(l.out + "/hole");
  file.seekg(1 << 30);
  std::string middle(6, ' ');
  file.read(middle.data(), 6);
  CHECK(middle == "middle");
}

TEST_CASE("what is gone: whiteouts, and what an opaque directory hides", "[criu]") {
  Layers l;
  l.file(l.lower + "/d/old", "");
  l.file(l.lower + "/d/again", "");
  l.file(l.lower + "/plain/old", "");
  l.file(l.upper + "/d/again", "new");
  l.file(l.upper + "/plain/new", "");
  REQUIRE(::mknod((l.upper + "/gone").c_str(), S_IFCHR, ::makedev(0, 0)) == 0);
  REQUIRE(::setxattr((l.upper + "/d").c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0);
  const auto deleted = l.write();
  REQUIRE(deleted.ok());
  CHECK(deleted.value() == std::vector<std::string>{"/d/old", "/gone"});
  l.extract();
  CHECK_FALSE(fs::exists(l.out + "/gone"));
  CHECK(test::slurp(l.out + "/d/again") == "new");
  REQUIRE(::setxattr((l.upper + "/plain").c_str(), "trusted.overlay.redirect", "/x", 2, 0) == 0);
  CHECK(l.write().error().code == Code::unimplemented);
}

TEST_CASE("what a neighbour puts in a name's place meanwhile is not opened for it", "[criu][attack]") {
  Layers l;
  const std::string one = l.upper + "/name", other = l.dir.path + "/other";
  l.file(one, "text");
  REQUIRE(::symlink("/dev/zero", other.c_str()) == 0);
  std::atomic<bool> done = false;
  std::thread neighbour([&] {
    while (!done) (void)::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE);
  });
  std::set<std::string> met;
  int wrong = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (int i = 0; (i < 3000 || met.size() < 2) && std::chrono::steady_clock::now() < end; ++i) {
    if (!l.write().ok()) ++wrong;
    const std::string tar = test::slurp(l.dir.path + "/changes.tar");
    if (tar.size() > 156) met.insert(tar.substr(156, 1));
  }
  done = true;
  neighbour.join();
  CHECK(wrong == 0);
  CHECK(met == std::set<std::string>{"0", "2"});
}

TEST_CASE("a file that grows while its holes are looked for keeps its size", "[criu][attack]") {
  Layers l;
  l.file(l.upper + "/file", "");
  const UniqueFd file = sys::open_path(l.upper + "/file", O_RDWR).take();
  REQUIRE(::ftruncate(file.get(), 8192) == 0);
  TarMember member;
  member.path = "file";
  REQUIRE(::fstat(file.get(), &member.st) == 0);
  REQUIRE(::ftruncate(file.get(), 1 << 20) == 0);
  REQUIRE(::pwrite(file.get(), "later", 5, 512 << 10) == 5);
  const UniqueFd tar = sys::open_path(l.dir.path + "/changes.tar", O_RDWR | O_CREAT, 0600).take();
  TarWriter writer{FdRef(tar.get())};
  REQUIRE(writer.add(member, file).ok());
  REQUIRE(writer.finish().ok());
  l.extract();
  CHECK(fs::file_size(l.out + "/file") == 8192);
}

TEST_CASE("names and attributes that only cost space are refused", "[criu][attack]") {
  Layers l;
  const Memory memory;  // which takes as many attributes as one likes
  l.upper = memory.path;
  SECTION("a path that no call takes") {
    UniqueFd at = sys::open_path(l.upper, O_RDONLY | O_DIRECTORY).take();
    const std::string name(250, 'n');
    for (int i = 0; i < 20; ++i) {
      REQUIRE(::mkdirat(at.get(), name.c_str(), 0755) == 0);
      at = sys::open_at(at, name, O_RDONLY | O_DIRECTORY).take();
    }
  }
  SECTION("hard links, whose names have to be remembered") {
    UniqueFd at = sys::open_path(l.upper, O_RDONLY | O_DIRECTORY).take();
    for (int i = 0; i < 16; ++i) {
      const std::string name(240, 'n');
      REQUIRE(::mkdirat(at.get(), name.c_str(), 0755) == 0);
      at = sys::open_at(at, name, O_RDONLY | O_DIRECTORY).take();
    }
    bool made = true;
    for (int i = 0; i < 17'500 && made; ++i) {
      const std::string first = fmt::format("{}", i), second = fmt::format("{}/{}", memory.beside, i);
      made = sys::open_at(at, first, O_CREAT | O_WRONLY, 0600).ok() && ::linkat(at.get(), first.c_str(), AT_FDCWD, second.c_str(), 0) == 0;
    }
    REQUIRE(made);
  }
  SECTION("attributes of megabytes") {
    l.file(l.upper + "/file", "");
    const std::string value(60'000, 'v');
    for (int i = 0; i < 20; ++i)
      REQUIRE(::setxattr((l.upper + "/file").c_str(), fmt::format("trusted.a{}", i).c_str(), value.data(), value.size(), 0) == 0);
  }
  const auto written = l.write();
  REQUIRE_FALSE(written.ok());
  CHECK(written.error().code == Code::resource_exhausted);
}
