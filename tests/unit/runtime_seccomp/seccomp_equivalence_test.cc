// Our compiler against libseccomp, profile by profile; those of all other tests by discovery: profile_search.h.
#include <seccomp.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "oci/parse.h"
#include "oci/seccomp_default.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_calls.h"
#include "tests/unit/runtime_seccomp/equivalence.h"

using namespace slipway;

namespace {

std::uint64_t compare(const oci::Seccomp& profile) {
  const auto compared = tests::compare(profile);
  if (!compared.ok()) FAIL(compared.error().message);
  return compared.value();
}

oci::Seccomp profile_of(const std::string& json) {
  auto r = oci::parse_seccomp_profile(json);
  if (!r.ok()) FAIL(r.error().message);
  return std::move(r).take();
}

const std::string kAllArches = R"("architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"],)";

}  // namespace

TEST_CASE("the table of names is libseccomp's, for every architecture", "[seccomp][equivalence]") {
  int compared = 0;
  for (const runtime::SeccompCall& call : runtime::all_calls()) {
    const std::string name(call.name);
    const std::pair<std::uint32_t, std::int64_t> numbers[] = {
        {SCMP_ARCH_X86_64, call.x86_64},
        {SCMP_ARCH_X86, call.x86},
        {SCMP_ARCH_X32, call.x32 < 0 ? std::int64_t{-1} : std::int64_t{call.x32} | runtime::kX32Bit}};
    for (const auto& [arch, number] : numbers) {
      const int theirs = seccomp_syscall_resolve_name_arch(arch, name.c_str());
      if (theirs == __NR_SCMP_ERROR) {  // newer than the library
        CHECK((number < 0 || (number & ~std::int64_t{runtime::kX32Bit}) > 334));
        continue;
      }
      INFO(name << " on " << arch);
      if (theirs >= 0) CHECK(theirs == number);
      const bool behind_socketcall_or_ipc = theirs <= -100 && theirs >= -224;  // the library's own numbers for them
      if (theirs < 0 && !behind_socketcall_or_ipc) CHECK(number < 0);
      ++compared;
    }
  }
  CHECK(compared > 1200);
}

TEST_CASE("every name that libseccomp has for x86 is in the table", "[seccomp][equivalence]") {
  for (int n = 0; n < 600; ++n) {
    for (const std::uint32_t arch : {std::uint32_t{SCMP_ARCH_X86_64}, std::uint32_t{SCMP_ARCH_X86}, std::uint32_t{SCMP_ARCH_X32}}) {
      const int number = arch == SCMP_ARCH_X32 ? static_cast<int>(runtime::kX32Bit) + n : n;
      char* name = seccomp_syscall_resolve_num_arch(arch, number);
      if (name == nullptr) continue;
      const auto kind = arch == SCMP_ARCH_X86_64 ? runtime::SeccompArch::x86_64
                        : arch == SCMP_ARCH_X86  ? runtime::SeccompArch::x86
                                                 : runtime::SeccompArch::x32;
      INFO(name << " on " << arch);
      CHECK(runtime::syscall_number(kind, name) == static_cast<std::uint32_t>(number));
      ::free(name);
    }
  }
}

TEST_CASE("equal: the default profile, with few capabilities and with many", "[seccomp][equivalence]") {
  const std::vector<std::string> common = {"CAP_SYS_CHROOT"};
  const std::vector<std::string> many = {"CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_TIME"};
  CHECK(compare(oci::default_profile(common).value()) > 100000);
  CHECK(compare(oci::default_profile(many).value()) > 100000);
}

TEST_CASE("equal: deny lists over allow, one architecture or three", "[seccomp][equivalence]") {
  const std::string rules =
      R"("syscalls":[{"names":["sethostname","mount","ioctl","socket","semop","recv"],"action":"SCMP_ACT_ERRNO","errnoRet":13},
    {"names":["reboot"],"action":"SCMP_ACT_KILL_PROCESS"},{"names":["ptrace"],"action":"SCMP_ACT_TRAP"},{"names":["acct"],"action":"SCMP_ACT_LOG"},
    {"names":["getcpu"],"action":"SCMP_ACT_TRACE","errnoRet":7},{"names":["kexec_load"],"action":"SCMP_ACT_KILL"}]})";
  compare(profile_of(R"({"defaultAction":"SCMP_ACT_ALLOW",)" + rules));
  compare(profile_of(R"({"defaultAction":"SCMP_ACT_ALLOW",)" + kAllArches + rules));
  compare(profile_of(R"({"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],)" + rules));
  compare(profile_of(R"({"defaultAction":"SCMP_ACT_ALLOW"})"));
}

TEST_CASE("equal: every comparison, alone, on 64-bit and 32-bit values", "[seccomp][equivalence]") {
  for (const char* op : {"NE", "LT", "LE", "EQ", "GE", "GT"}) {
    for (const char* value : {"0", "1", "40", "4294967295", "4294967296", "1311768467463790320", "18446744073709551615"}) {
      CAPTURE(op, value);
      const bool wide = std::string(value).size() > 10 || std::string(value) == "4294967296";
      compare(profile_of(R"({"defaultAction":"SCMP_ACT_ERRNO",)" + (wide ? std::string() : kAllArches) +
                         R"("syscalls":[{"names":["lseek","read"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":)" + value +
                         R"(,"op":"SCMP_CMP_)" + op + "\"}]}]}"));
    }
  }
  for (const char* mask_and_value : {R"("value":2114060288,"valueTwo":0)", R"("value":15,"valueTwo":5)", R"("value":15,"valueTwo":21)",
                                     R"("value":18446744069414584320,"valueTwo":4294967296)"}) {
    CAPTURE(mask_and_value);
    compare(profile_of(R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,)" +
                       std::string(mask_and_value) + R"(,"op":"SCMP_CMP_MASKED_EQ"}]}]})"));
  }
}

TEST_CASE("equal: several conditions, several rules, unconditional beside conditional", "[seccomp][equivalence]") {
  compare(profile_of(R"({"defaultAction":"SCMP_ACT_ERRNO",)" + kAllArches + R"("syscalls":[
    {"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":3,"op":"SCMP_CMP_EQ"},{"index":1,"value":100,"op":"SCMP_CMP_GE"},{"index":2,"value":9,"op":"SCMP_CMP_NE"}]},
    {"names":["fcntl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":1,"op":"SCMP_CMP_EQ"},{"index":1,"value":7,"op":"SCMP_CMP_EQ"}]},
    {"names":["prctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":5,"op":"SCMP_CMP_LT"}]},
    {"names":["prctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":50,"op":"SCMP_CMP_GT"}]},
    {"names":["madvise"],"action":"SCMP_ACT_ALLOW","args":[{"index":2,"value":4,"op":"SCMP_CMP_EQ"}]},
    {"names":["madvise"],"action":"SCMP_ACT_ALLOW"},
    {"names":["mprotect"],"action":"SCMP_ACT_ALLOW"},
    {"names":["mprotect"],"action":"SCMP_ACT_KILL","args":[{"index":2,"value":4,"op":"SCMP_CMP_MASKED_EQ","valueTwo":4}]},
    {"names":["personality"],"action":"SCMP_ACT_ERRNO"},
    {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0,"op":"SCMP_CMP_EQ"}]},
    {"names":["sendto"],"action":"SCMP_ACT_ALLOW","args":[{"index":3,"value":0,"op":"SCMP_CMP_EQ"}]},
    {"names":["shmget"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":77,"op":"SCMP_CMP_EQ"}]}]})"));
}

TEST_CASE("what the compiler takes for 32-bit arguments the kernel takes for such", "[seccomp][equivalence]") {
  for (const runtime::SeccompCall& call : runtime::all_calls()) {
    const auto* prototype =
        std::find_if(std::begin(tests::kPrototypes), std::end(tests::kPrototypes), [&](const auto& one) { return call.name == one.name; });
    INFO(call.name);
    CHECK(runtime::int_arguments(call.name) == (prototype == std::end(tests::kPrototypes) ? 0 : prototype->ints()));
  }
  for (const auto& prototype : tests::kPrototypes) CHECK(runtime::find_call(prototype.name) != nullptr);
}

TEST_CASE("equal: random lists of calls and actions", "[seccomp][equivalence]") {
  std::mt19937 random(20261121);
  const char* actions[] = {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_LOG", "SCMP_ACT_TRAP"};
  for (int round = 0; round < 6; ++round) {
    oci::Seccomp profile;
    profile.default_action = actions[static_cast<unsigned>(round) % 3];
    profile.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
    for (const runtime::SeccompCall& call : runtime::all_calls())
      if (random() % 3 != 0) profile.syscalls.push_back({{std::string(call.name)}, actions[random() % 5], {}, {}});
    compare(profile);
  }
}
