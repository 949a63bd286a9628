// What the compiler promises beyond equivalence: newer calls, foreign architectures, errors that name the field, speed.
#include "runtime/seccomp.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>

#include "oci/parse.h"
#include "oci/seccomp_default.h"
#include "tests/unit/runtime_seccomp/bpf_machine.h"

using namespace slipway;
using namespace slipway::runtime;
using Catch::Contains;

namespace {

oci::Seccomp simple(const std::string& default_action, std::vector<oci::SeccompSyscall> rules = {}) {
  oci::Seccomp p;
  p.default_action = default_action;
  p.syscalls = std::move(rules);
  return p;
}

std::uint32_t answer(const oci::Seccomp& profile, std::uint32_t number, std::uint32_t arch = AUDIT_ARCH_X86_64, std::uint64_t arg0 = 0) {
  const auto program = compile_seccomp(profile);
  if (!program.ok()) FAIL(program.error().message);
  REQUIRE(tests::is_valid(program.value()));
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  data.args[0] = arg0;
  return tests::run(program.value(), data);
}

std::string error_of(const oci::Seccomp& profile) {
  const auto r = compile_seccomp(profile);
  return r.ok() ? "ok" : r.error().message;
}

constexpr std::uint32_t kEnosys = SECCOMP_RET_ERRNO | ENOSYS;
constexpr std::uint32_t kEperm = SECCOMP_RET_ERRNO | EPERM;

}  // namespace

TEST_CASE("a call newer than the profile gives ENOSYS where the default is an errno", "[seccomp]") {
  const std::vector<std::string> capabilities;
  const auto standard = oci::default_profile(capabilities).value();
  CHECK(answer(standard, 0) == SECCOMP_RET_ALLOW);
  CHECK(answer(standard, 165) == kEperm);             // mount
  CHECK(answer(standard, 435) == kEnosys);            // clone3, by the table's own row
  CHECK(answer(standard, 425) == kEperm);             // io_uring_setup: known, not allowed
  CHECK(answer(standard, 462) == SECCOMP_RET_ALLOW);  // mseal
  CHECK(answer(standard, 500) == kEnosys);
  CHECK(answer(standard, 1000000) == kEnosys);
  CHECK(answer(standard, UINT32_MAX) == kEnosys);
  CHECK(answer(standard, 500, AUDIT_ARCH_I386) == kEnosys);
  CHECK(answer(standard, 0x40000000U + 500) == kEnosys);
  CHECK(answer(standard, 0x40000000U + 513) == SECCOMP_RET_ALLOW);  // x32's own rt_sigreturn

  const auto old = simple("SCMP_ACT_ERRNO", {{{"read", "statx"}, "SCMP_ACT_ALLOW", {}, {}}});
  CHECK(answer(old, 257) == kEperm);   // openat
  CHECK(answer(old, 334) == kEperm);   // rseq: before the common numbering
  CHECK(answer(old, 452) == kEnosys);  // fchmodat2: the C library falls back
  CHECK(answer(simple("SCMP_ACT_ALLOW"), 5000) == SECCOMP_RET_ALLOW);
  CHECK(answer(simple("SCMP_ACT_KILL_PROCESS"), 5000) == SECCOMP_RET_KILL_PROCESS);
  CHECK(answer(simple("SCMP_ACT_TRAP"), 5000) == SECCOMP_RET_TRAP);
}

TEST_CASE("foreign architectures are killed", "[seccomp]") {
  const auto native = simple("SCMP_ACT_ALLOW");
  CHECK(answer(native, 1, AUDIT_ARCH_I386) == SECCOMP_RET_KILL_PROCESS);
  CHECK(answer(native, 0x40000001U) == SECCOMP_RET_KILL_PROCESS);
  CHECK(answer(native, 1, AUDIT_ARCH_AARCH64) == SECCOMP_RET_KILL_PROCESS);
  auto other = native;
  other.architectures = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_S390X"};
  CHECK(answer(other, 1) == SECCOMP_RET_ALLOW);
  CHECK(answer(other, 1, AUDIT_ARCH_AARCH64) == SECCOMP_RET_KILL_PROCESS);
}

TEST_CASE("a high half that the kernel does not read leads past no rule", "[seccomp][attack]") {
  constexpr std::uint64_t kHigh = std::uint64_t{1} << 32;
  const std::vector<std::string> capabilities;
  const auto standard = oci::default_profile(capabilities).value();
  CHECK(answer(standard, 41, AUDIT_ARCH_X86_64, 2) == SECCOMP_RET_ALLOW);  // socket, AF_INET
  CHECK(answer(standard, 41, AUDIT_ARCH_X86_64, 40) == kEperm);            // AF_VSOCK
  CHECK(answer(standard, 41, AUDIT_ARCH_X86_64, kHigh | 40) == kEperm);
  CHECK(answer(standard, 41, AUDIT_ARCH_X86_64, kHigh | 38) == kEperm);  // AF_ALG
  CHECK(answer(standard, 41, AUDIT_ARCH_X86_64, UINT64_MAX - 0xffffffff + 38) == kEperm);
  // Where the kernel reads 64 bits, so does the filter.
  const auto p = simple("SCMP_ACT_ALLOW", {{{"lseek"}, "SCMP_ACT_ERRNO", {}, {{0, 7, 0, "SCMP_CMP_EQ"}}}});
  CHECK(answer(p, 8, AUDIT_ARCH_X86_64, 7) == kEperm);
  CHECK(answer(p, 8, AUDIT_ARCH_X86_64, kHigh | 7) == SECCOMP_RET_ALLOW);
}

TEST_CASE("the first of several matching conditional rules decides", "[seccomp]") {
  const oci::SeccompArg small{0, 10, 0, "SCMP_CMP_LT"};
  const oci::SeccompArg zero{0, 0, 0, "SCMP_CMP_EQ"};
  const auto p = simple("SCMP_ACT_ALLOW", {{{"ioctl"}, "SCMP_ACT_ERRNO", 5, {small}}, {{"ioctl"}, "SCMP_ACT_KILL_PROCESS", {}, {zero}}});
  CHECK(answer(p, 16, AUDIT_ARCH_X86_64, 0) == (SECCOMP_RET_ERRNO | 5));
  CHECK(answer(p, 16, AUDIT_ARCH_X86_64, 10) == SECCOMP_RET_ALLOW);
}

TEST_CASE("names from elsewhere are skipped and told", "[seccomp]") {
  std::vector<std::string> unknown;
  const auto p = simple("SCMP_ACT_ERRNO", {{{"read", "s390_pci_mmio_read", "semop", "no_such_call"}, "SCMP_ACT_ALLOW", {}, {}}});
  REQUIRE(compile_seccomp(p, &unknown).ok());
  CHECK(unknown == std::vector<std::string>{"s390_pci_mmio_read", "no_such_call"});
}

TEST_CASE("a rule that notifies needs an agent and makes a listener", "[seccomp]") {
  auto p = simple("SCMP_ACT_ALLOW", {{{"mkdir"}, "SCMP_ACT_NOTIFY", {}, {}}});
  CHECK_THAT(error_of(p), Contains("linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs one"));
  p.listener_path = "agent.sock";
  CHECK_THAT(error_of(p), Contains("linux.seccomp.listenerPath: 'agent.sock' is not absolute"));
  p.listener_path = "/run/agent.sock";
  CHECK(answer(p, 83, AUDIT_ARCH_X86_64, 0) == SECCOMP_RET_USER_NOTIF);
  CHECK(answer(p, 84, AUDIT_ARCH_X86_64, 0) == SECCOMP_RET_ALLOW);
  p.flags = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
  CHECK(seccomp_flags(p).value() == (SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV));
  auto plain = simple("SCMP_ACT_ALLOW");
  CHECK(seccomp_flags(plain).value() == 0);
  plain.flags = {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
  CHECK_THAT(seccomp_flags(plain).error().message, Contains("needs a rule with SCMP_ACT_NOTIFY"));
  plain.listener_metadata = "x";
  CHECK_THAT(error_of(plain), Contains("linux.seccomp.listenerMetadata: there is no listenerPath"));
}

TEST_CASE("errors name the field", "[seccomp]") {
  CHECK_THAT(error_of(simple("SCMP_ACT_FOO")), Contains("linux.seccomp.defaultAction: 'SCMP_ACT_FOO' is not known"));
  CHECK_THAT(error_of(simple("SCMP_ACT_NOTIFY")), Contains("linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would stop init"));
  auto p = simple("SCMP_ACT_ALLOW");
  p.default_errno_ret = 5;
  CHECK_THAT(error_of(p), Contains("linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW gives no errno"));
  CHECK_THAT(error_of(simple("SCMP_ACT_ALLOW", {{{}, "SCMP_ACT_ERRNO", {}, {}}})), Contains("linux.seccomp.syscalls[0].names: is empty"));
  CHECK_THAT(error_of(simple("SCMP_ACT_ALLOW", {{{"read"}, "SCMP_ACT_ERRNO", 4096, {}}})),
             Contains("linux.seccomp.syscalls[0].errnoRet: 4096 is not an errno"));
  CHECK_THAT(error_of(simple("SCMP_ACT_ALLOW", {{{"read"}, "SCMP_ACT_ERRNO", {}, {{6, 0, 0, "SCMP_CMP_EQ"}}}})),
             Contains("linux.seccomp.syscalls[0].args[0].index: 6"));
  CHECK_THAT(error_of(simple("SCMP_ACT_ALLOW", {{{"read"}, "SCMP_ACT_ERRNO", {}, {{0, 0, 0, "EQ"}}}})),
             Contains("linux.seccomp.syscalls[0].args[0].op: 'EQ' is not known"));
  p = simple("SCMP_ACT_ALLOW");
  p.architectures = {"x86_64"};
  CHECK_THAT(error_of(p), Contains("linux.seccomp.architectures[0]: 'x86_64' is not known"));
  p.architectures = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_Z80"};
  CHECK_THAT(error_of(p), Contains("linux.seccomp.architectures[1]: 'SCMP_ARCH_Z80' is not known"));
  p = simple("SCMP_ACT_ALLOW");
  p.listener_path = "x.sock";
  CHECK_THAT(error_of(p), Contains("linux.seccomp.listenerPath"));
}

TEST_CASE("a profile beyond the kernel's instructions is refused, not cut", "[seccomp]") {
  oci::SeccompSyscall rule{{"ioctl"}, "SCMP_ACT_ERRNO", {}, {}};
  for (std::uint64_t v = 0; v < 2000; ++v) rule.args.push_back({1, v * 2, 0, "SCMP_CMP_EQ"});
  const auto r = compile_seccomp(simple("SCMP_ACT_ALLOW", {rule}));
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().code == Code::resource_exhausted);
}

TEST_CASE("flags", "[seccomp]") {
  auto p = simple("SCMP_ACT_ALLOW");
  CHECK(seccomp_flags(p).value() == 0);
  p.flags = {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"};
  CHECK(seccomp_flags(p).value() == (SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW));
  p.flags = {"SECCOMP_FILTER_FLAG_NEW_LISTENER"};
  CHECK_THAT(seccomp_flags(p).error().message, Contains("'SECCOMP_FILTER_FLAG_NEW_LISTENER' is not known"));  // SCMP_ACT_NOTIFY asks for it
  p.flags = {"FOO"};
  CHECK_THAT(seccomp_flags(p).error().message, Contains("linux.seccomp.flags[0]: 'FOO' is not known"));
}

TEST_CASE("the default profile compiles within a millisecond", "[seccomp][speed]") {
  const std::vector<std::string> capabilities;
  const auto profile = oci::default_profile(capabilities).value();
  std::chrono::nanoseconds best = std::chrono::hours(1);
  for (int i = 0; i < 50; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto r = compile_seccomp(profile);
    best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
    REQUIRE(r.ok());
  }
  const auto program = compile_seccomp(profile);
  WARN("default profile: " << program.value().size() << " instructions, best of 50: " << best.count() / 1000 << " us");
  CHECK(best < std::chrono::milliseconds(1));
}
