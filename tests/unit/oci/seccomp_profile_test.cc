// Profiles as values: the default one, and localhost files with their conditions.
#include <algorithm>
#include <catch2/catch.hpp>

#include "oci/parse.h"
#include "oci/seccomp_default.h"

using namespace slipway;
using namespace slipway::oci;

namespace {

std::vector<const SeccompSyscall*> rules_of(const Seccomp& profile, const std::string& name) {
  std::vector<const SeccompSyscall*> out;
  for (const auto& rule : profile.syscalls)
    if (std::find(rule.names.begin(), rule.names.end(), name) != rule.names.end()) out.push_back(&rule);
  return out;
}

}  // namespace

TEST_CASE("the default profile has the table's 380 rows", "[oci][seccomp]") {
  const std::vector<std::string> capabilities = {"CAP_CHOWN", "CAP_SYS_CHROOT"};
  const auto p = default_profile(capabilities);
  if (!p.ok()) FAIL(p.error().message);
  CHECK(p.value().default_action == "SCMP_ACT_ERRNO");
  CHECK(p.value().default_errno_ret == 1U);
  std::size_t rows = 0;
  for (const auto& rule : p.value().syscalls) rows += rule.names.size();
  CHECK(rows == 379);
  CHECK(p.value().syscalls.front().names.size() == 369);
  CHECK(rules_of(p.value(), "mount").empty());
  REQUIRE(rules_of(p.value(), "clone3").size() == 1);
  CHECK(rules_of(p.value(), "clone3")[0]->action == "SCMP_ACT_ERRNO");
  CHECK(rules_of(p.value(), "clone3")[0]->errno_ret == 38U);
  REQUIRE(rules_of(p.value(), "clone").size() == 1);
  CHECK(rules_of(p.value(), "clone")[0]->args[0].value == 2114060288U);
  CHECK(rules_of(p.value(), "clone")[0]->args[0].value_two == 0);
  CHECK(rules_of(p.value(), "personality").size() == 5);
  CHECK(rules_of(p.value(), "socket").size() == 3);
}

TEST_CASE("capabilities add their calls", "[oci][seccomp]") {
  const std::vector<std::string> admin = {"CAP_SYS_ADMIN"};
  const auto p = default_profile(admin);
  REQUIRE(p.ok());
  for (const char* name : {"mount", "umount2", "setns", "unshare", "clone", "clone3", "bpf"}) {
    REQUIRE(rules_of(p.value(), name).size() == 1);
    CHECK(rules_of(p.value(), name)[0]->action == "SCMP_ACT_ALLOW");
    CHECK(rules_of(p.value(), name)[0]->args.empty());
  }
  CHECK(rules_of(p.value(), "reboot").empty());
  CHECK(rules_of(p.value(), "chroot").empty());  // CAP_SYS_CHROOT is not among them
}

TEST_CASE("the default profile's text is the profile as it is written, made once for capabilities that mean the same", "[oci][seccomp]") {
  const std::vector<std::string> common = {"CAP_CHOWN", "CAP_SYS_CHROOT"}, same = {"CAP_SYS_CHROOT", "CAP_KILL"}, few = {"CAP_CHOWN"};
  const auto text = default_profile_text(common);
  REQUIRE(text.ok());
  CHECK(*text.value() == write_seccomp(default_profile(common).value()));
  CHECK(default_profile_text(same).value() == text.value());
  CHECK(*default_profile_text(few).value() == write_seccomp(default_profile(few).value()));
  CHECK(*default_profile_text(few).value() != *text.value());
  for (const char* name : {"CAP_BPF", "CAP_DAC_READ_SEARCH", "CAP_PERFMON", "CAP_SYSLOG", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE",
                           "CAP_SYS_RAWIO", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG"}) {  // more than are kept
    const std::vector<std::string> one = {name};
    CHECK(*default_profile_text(one).value() == write_seccomp(default_profile(one).value()));
  }
  CHECK(*default_profile_text(common).value() == *text.value());
}

TEST_CASE("a localhost profile with conditions", "[oci][seccomp]") {
  const char* text = R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"defaultErrno":"ENOSYS",
    "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]},{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]}],
    "syscalls":[
      {"names":["read"],"action":"SCMP_ACT_ALLOW","args":[],"comment":"","includes":{},"excludes":{}},
      {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
      {"names":["clone"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_SYS_ADMIN"],"arches":["s390","s390x"]}},
      {"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}},
      {"names":["sync_file_range2"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["ppc64le"]}},
      {"name":"write","action":"SCMP_ACT_ALLOW"}]})";
  const auto plain = parse_seccomp_profile(text, {.capabilities = {}, .kernel = "6.1.0-30-amd64"});
  if (!plain.ok()) FAIL(plain.error().message);
  CHECK(plain.value().architectures == std::vector<std::string>{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"});
  CHECK(plain.value().default_errno_ret == 38U);
  CHECK((rules_of(plain.value(), "read").size() == 1 && rules_of(plain.value(), "write").size() == 1));
  CHECK((rules_of(plain.value(), "mount").empty() && rules_of(plain.value(), "clone").size() == 1));
  CHECK((rules_of(plain.value(), "ptrace").size() == 1 && rules_of(plain.value(), "sync_file_range2").empty()));
  const auto admin = parse_seccomp_profile(text, {.capabilities = {"CAP_SYS_ADMIN"}, .kernel = "4.4"});
  REQUIRE(admin.ok());
  CHECK((rules_of(admin.value(), "mount").size() == 1 && rules_of(admin.value(), "clone").empty() &&
         rules_of(admin.value(), "ptrace").empty()));
}

TEST_CASE("a condition that is not understood is refused", "[oci][seccomp]") {
  const auto r = parse_seccomp_profile(
      R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","includes":{"moon":["full"]}}]})");
  REQUIRE_FALSE(r.ok());
  CHECK_THAT(r.error().message, Catch::Contains("seccomp profile.syscalls[0].includes.moon"));
  CHECK_FALSE(parse_seccomp_profile("{}").ok());
}
