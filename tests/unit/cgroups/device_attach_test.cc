// Device filters in this host's kernel.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cgroups/device_bpf.h"
#include "tests/unit/cgroups/host.h"

using namespace slipway;
using namespace slipway::cgroups;
using slipway::tests::HostCgroup;

namespace {

// errno of opening a device node in the cgroup, 0 = it opened.
int open_inside(const Cgroup& cgroup, const char* path, int flags) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    if (!cgroup.add(::getpid()).ok()) ::_exit(255);
    ::_exit(::open(path, flags | O_CLOEXEC) >= 0 ? 0 : errno);
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

void filter(const Cgroup& cgroup, const std::vector<oci::DeviceRule>& rules) {
  const auto r = apply_devices(cgroup.dir(), rules);
  if (!r.ok()) FAIL(r.error().message);
}

oci::DeviceRule rule(bool allow, const char* type, std::optional<std::int64_t> major, std::optional<std::int64_t> minor,
                     const char* access) {
  return {.allow = allow, .type = type, .major = major, .minor = minor, .access = access};
}

}  // namespace

TEST_CASE("the verifier takes the default rules and many more", "[cgroups][host][devices]") {
  std::vector<oci::DeviceRule> many;
  many.reserve(500);
  for (int i = 0; i < 500; ++i) many.push_back(rule(i % 3 != 0, i % 2 == 0 ? "c" : "b", i, i * 7, i % 5 == 0 ? "r" : "rwm"));
  for (const auto& rules :
       {std::vector<oci::DeviceRule>{}, with_defaults({}), with_defaults(many), std::vector{rule(true, "a", {}, {}, "rwm")}}) {
    const auto program = compile_device_filter(rules);
    REQUIRE(program.ok());
    const auto loaded = load_device_filter(program.value());
    if (!loaded.ok()) FAIL(loaded.error().message);
    CHECK(loaded.value().valid());
  }
}

TEST_CASE("a program that the verifier refuses is reported with its words", "[cgroups][host][devices]") {
  const bpf_insn nonsense[] = {{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  const auto r = load_device_filter(nonsense);
  REQUIRE_FALSE(r.ok());
  CHECK_THAT(r.error().message, Catch::Contains("R0"));
}

TEST_CASE("the filter decides, and is replaced", "[cgroups][host][devices]") {
  HostCgroup host;
  const Cgroup cgroup = host.make();
  CHECK(open_inside(cgroup, "/dev/null", O_RDWR) == 0);

  filter(cgroup, with_defaults({}));
  CHECK(open_inside(cgroup, "/dev/null", O_RDWR) == 0);
  CHECK(open_inside(cgroup, "/dev/zero", O_RDONLY) == 0);

  const std::vector<oci::DeviceRule> read_null = {rule(false, "a", {}, {}, "rwm"), rule(true, "c", 1, 3, "r")};
  filter(cgroup, read_null);
  CHECK(open_inside(cgroup, "/dev/null", O_RDONLY) == 0);
  CHECK(open_inside(cgroup, "/dev/null", O_RDWR) == EPERM);
  CHECK(open_inside(cgroup, "/dev/zero", O_RDONLY) == EPERM);

  const std::vector<oci::DeviceRule> all = {rule(true, "a", {}, {}, "rwm")};
  filter(cgroup, all);
  CHECK(open_inside(cgroup, "/dev/zero", O_RDWR) == 0);
}
