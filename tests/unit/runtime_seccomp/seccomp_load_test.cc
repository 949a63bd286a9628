// Filters in this host's kernel: the verifier takes them and they do what the machine said.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>

#include "oci/seccomp_default.h"
#include "runtime/seccomp.h"

using namespace slipway;

namespace {

// Loads the profile in a child and runs `body` there; its answer is the exit status, -signal if it was killed.
template <class Body>
int in_child(const oci::Seccomp& profile, Body&& body) {
  const auto program = runtime::compile_seccomp(profile);
  REQUIRE(program.ok());
  const auto flags = runtime::seccomp_flags(profile);
  REQUIRE(flags.ok());
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(200);
    if (!runtime::load_seccomp(program.value(), flags.value()).ok()) ::_exit(201);
    ::_exit(body());
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int errno_of(long result) {
  return result < 0 ? errno : 0;
}

}  // namespace

TEST_CASE("the default profile in the kernel", "[seccomp][load]") {
  const std::vector<std::string> capabilities;
  const auto profile = oci::default_profile(capabilities).value();
  CHECK(in_child(profile, [] { return errno_of(::syscall(SYS_getpid)); }) == 0);
  CHECK(in_child(profile, [] { return errno_of(::syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr)); }) == EPERM);
  CHECK(in_child(profile, [] { return errno_of(::syscall(SYS_unshare, 0x10000000)); }) == EPERM);
  CHECK(in_child(profile, [] { return errno_of(::syscall(SYS_clone3, nullptr, 0)); }) == ENOSYS);
  CHECK(in_child(profile, [] { return errno_of(::syscall(5000)); }) == ENOSYS);
  CHECK(in_child(profile, [] { return errno_of(::syscall(-1)); }) == ENOSYS);
  CHECK(in_child(profile, [] { return errno_of(::syscall(SYS_socket, 40, 1, 0)); }) == EPERM);                      // AF_VSOCK
  CHECK(in_child(profile, [] { return errno_of(::syscall(SYS_socket, (1UL << 32) | 38UL, 5UL, 0UL)); }) == EPERM);  // AF_ALG
  CHECK(in_child(profile, [] { return errno_of(::syscall(SYS_personality, 0xffffffffUL)); }) == 0);
  CHECK(in_child(profile, [] { return errno_of(::syscall(SYS_personality, 0x0040000UL)); }) == EPERM);  // ADDR_NO_RANDOMIZE
}

TEST_CASE("kill, trap and errno of a deny list in the kernel", "[seccomp][load]") {
  oci::Seccomp profile;
  profile.default_action = "SCMP_ACT_ALLOW";
  profile.flags = {"SECCOMP_FILTER_FLAG_LOG"};
  profile.syscalls = {
      {{"sethostname"}, "SCMP_ACT_ERRNO", 77, {}}, {{"acct"}, "SCMP_ACT_KILL_PROCESS", {}, {}}, {{"swapon"}, "SCMP_ACT_TRAP", {}, {}}};
  CHECK(in_child(profile, [] { return errno_of(::syscall(SYS_sethostname, "x", 1)); }) == 77);
  CHECK(in_child(profile, [] { return errno_of(::syscall(SYS_acct, nullptr)); }) == -SIGSYS);
  CHECK(in_child(profile, [] { return errno_of(::syscall(SYS_swapon, nullptr, 0)); }) == -SIGSYS);
}
