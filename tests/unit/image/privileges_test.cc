// What slipway-image cannot do any more once it is confined.
#include "image/privileges.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>

#include "tests/unit/temp_dir.h"

using namespace slipway;

namespace {

// In a child of its own, since there is no way back: true if `probe` says so there after confinement to `root`.
bool confined(const std::string& root, const std::function<bool()>& probe) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    const bool ready = image::confine({root, {}}).ok();
    ::_exit(ready && probe() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a confined worker still does what unpacking needs", "[image]") {
  const test::TempDir dir;
  const std::string root = dir.path + "/root";
  REQUIRE(::mkdir(root.c_str(), 0700) == 0);
  CHECK(confined(root, [&] {
    const int fd = ::open((root + "/f").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && ::fchown(fd, 10, 20) == 0 && ::fchmod(fd, 04755) == 0 && ::mkdir((root + "/d").c_str(), 0700) == 0 &&
           ::link((root + "/f").c_str(), (root + "/d/f").c_str()) == 0 && ::mknod((root + "/n").c_str(), S_IFCHR | 0600, 0) == 0 &&
           ::rename((root + "/d").c_str(), (root + "/e").c_str()) == 0;
  }));
}

TEST_CASE("a confined worker makes no programs, mounts or namespaces", "[image][attack]") {
  const test::TempDir dir;
  CHECK(confined(dir.path, [] { return ::execl("/bin/true", "true", nullptr) != 0 && errno == EPERM; }));
  CHECK(confined(dir.path, [&] { return ::mount("none", dir.path.c_str(), "tmpfs", 0, nullptr) != 0 && errno == EPERM; }));
  CHECK(confined(dir.path, [] { return ::unshare(CLONE_NEWNS) != 0 && errno == EPERM; }));
  CHECK(confined(dir.path, [] { return ::syscall(SYS_bpf, 0, nullptr, 0) != 0 && errno == EPERM; }));
  CHECK(confined(dir.path, [] { return ::setuid(1) != 0 && errno == EPERM; }));  // a capability it gave up
  CHECK(confined(dir.path, [] { return ::chroot("/") != 0 && errno == EPERM; }));
}

TEST_CASE("a confined worker reaches no file but the store's and its configuration", "[image][attack]") {
  // Without it the worker runs all the same, less confined; a test that cannot see the confinement must not pass.
  INFO("this test needs a kernel with Landlock of ABI 2 (Linux 5.19, landlock among lsm=)");
  REQUIRE(::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 2);
  const test::TempDir dir;
  const std::string root = dir.path + "/root", outside = dir.path + "/outside";
  REQUIRE(::mkdir(root.c_str(), 0700) == 0);
  REQUIRE(::close(::open(outside.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) == 0);
  CHECK(confined(root, [&] { return ::open(outside.c_str(), O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES; }));
  CHECK(confined(root, [&] { return ::open((dir.path + "/new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EACCES; }));
  CHECK(confined(root, [&] { return ::unlink(outside.c_str()) != 0 && errno == EACCES; }));
  CHECK(confined(root, [] { return ::open("/etc/passwd", O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES; }));
  CHECK(confined(root, [] { return ::open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0; }));
}
