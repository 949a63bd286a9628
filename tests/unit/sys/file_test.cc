// Files by descriptor stay where they were told to.
#include "sys/file.h"

#include <catch2/catch.hpp>

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/temp_dir.h"

using namespace slipway;
using slipway::test::TempDir;

namespace {
UniqueFd dir_of(const TempDir& dir) {
  return sys::open_path(dir.path, O_RDONLY | O_DIRECTORY).take();
}
}  // namespace

TEST_CASE("open_beneath refuses what leaves, open_in_root keeps it inside", "[sys]") {
  TempDir dir;
  const UniqueFd root = dir_of(dir);
  REQUIRE(::symlink("/etc/passwd", (dir.path + "/out").c_str()) == 0);
  REQUIRE(::mkdir((dir.path + "/etc").c_str(), 0755) == 0);
  REQUIRE(sys::replace_file(sys::open_at(root, "etc", O_RDONLY).take(), "passwd", "mine", 0644).ok());
  CHECK_FALSE(sys::open_beneath(root, "out", O_RDONLY).ok());
  CHECK_FALSE(sys::open_beneath(root, "../x", O_RDONLY).ok());
  auto inside = sys::open_in_root(root, "out", O_RDONLY);
  REQUIRE(inside.ok());
  CHECK(sys::read_fd(inside.value(), 100).value() == "mine");
}

TEST_CASE("what is not a regular file is not even opened", "[sys][attack]") {
  TempDir dir;
  const UniqueFd root = dir_of(dir);
  REQUIRE(::mkfifo((dir.path + "/fifo").c_str(), 0644) == 0);
  REQUIRE(::symlink("fifo", (dir.path + "/link").c_str()) == 0);
  REQUIRE(sys::replace_file(root, "file", "text", 0644).ok());
  const UniqueFd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  REQUIRE(::inotify_add_watch(watch.get(), dir.path.c_str(), IN_OPEN) >= 0);
  char events[4096];
  CHECK(sys::open_regular_at(root, "fifo").error().code == Code::failed_precondition);
  CHECK(sys::open_regular_at(root, "link").error().code == Code::failed_precondition);
  CHECK(sys::open_regular_in_root(root, "link").error().code == Code::failed_precondition);
  CHECK(::read(watch.get(), events, sizeof events) < 0);
  CHECK(sys::read_fd(sys::open_regular_in_root(root, "../file").value(), 100).value() == "text");
  CHECK(::read(watch.get(), events, sizeof events) > 0);
}

TEST_CASE("directories are made inside the root, through links too", "[sys]") {
  TempDir dir;
  const UniqueFd root = dir_of(dir);
  REQUIRE(::mkdir((dir.path + "/real").c_str(), 0755) == 0);
  REQUIRE(::symlink("/real", (dir.path + "/link").c_str()) == 0);
  REQUIRE(::symlink("/tmp/slipway-test-nowhere", (dir.path + "/dangling").c_str()) == 0);
  REQUIRE(sys::make_directories_in_root(root, "/link/a/../b", 0755).ok());
  CHECK(sys::exists(dir.path + "/real/b"));
  CHECK_FALSE(sys::make_directories_in_root(root, "dangling/x", 0755).ok());
  CHECK_FALSE(sys::exists("/tmp/slipway-test-nowhere"));
}

TEST_CASE("reading is bounded", "[sys]") {
  TempDir dir;
  const UniqueFd root = dir_of(dir);
  REQUIRE(sys::replace_file(root, "f", std::string(100, 'x'), 0600).ok());
  CHECK(sys::read_file_at(root, "f", 100).ok());
  const auto r = sys::read_file_at(root, "f", 99);
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().code == Code::resource_exhausted);
}

TEST_CASE("replace_file leaves one file with the mode asked for", "[sys]") {
  TempDir dir;
  const UniqueFd root = dir_of(dir);
  REQUIRE(sys::replace_file(root, "f", "1", 0600, sys::Sync::yes).ok());
  REQUIRE(sys::replace_file(root, "f", "2", 0600).ok());
  CHECK(sys::read_file_at(root, "f", 9).value() == "2");
  CHECK(sys::list_directory(root).value().size() == 1);
}

TEST_CASE("a tree deeper than descriptors go and wider than a batch is removed", "[sys]") {
  TempDir dir;
  const UniqueFd root = dir_of(dir);
  UniqueFd here = sys::open_path(dir.path, O_RDONLY | O_DIRECTORY).take();
  for (int level = 0; level < 1500; ++level) {
    REQUIRE(::mkdirat(here.get(), level == 0 ? "deep" : "d", 0700) == 0);
    here = sys::open_at(here, level == 0 ? "deep" : "d", O_RDONLY | O_DIRECTORY).take();
  }
  for (int file = 0; file < 5000; ++file)
    UniqueFd(::openat(here.get(), std::to_string(file).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  REQUIRE(sys::remove_tree(root, "deep").ok());
  CHECK(sys::list_directory(root).value().empty());
}

TEST_CASE("remove_tree takes links away, not what they point to", "[sys]") {
  TempDir dir;
  TempDir other;
  const UniqueFd root = dir_of(dir);
  REQUIRE(sys::make_directories(dir.path + "/t/a/b", 0755).ok());
  REQUIRE(::symlink(other.path.c_str(), (dir.path + "/t/a/link").c_str()) == 0);
  REQUIRE(sys::replace_file(dir_of(other), "keep", "", 0600).ok());
  REQUIRE(sys::remove_tree(root, "t").ok());
  CHECK_FALSE(sys::exists(dir.path + "/t"));
  CHECK(sys::exists(other.path + "/keep"));
  CHECK(sys::remove_tree(root, "t").ok());
}
