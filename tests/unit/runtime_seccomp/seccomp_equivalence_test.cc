// Our compiler against libseccomp: the same profile, every number of every architecture, boundary arguments, the same answer.
//
// Allowed differences, as runtime/seccomp.h names them: ENOSYS for calls newer than the profile, KILL_PROCESS for foreign architectures,
// and the high half of arguments that the kernel does not read.
#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "oci/parse.h"
#include "oci/seccomp_default.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_calls.h"
#include "tests/unit/runtime_seccomp/bpf_machine.h"

using namespace slipway;
using Program = std::vector<sock_filter>;

namespace {

std::uint32_t to_action(const std::string& name, std::optional<std::uint32_t> number) {
  static const std::map<std::string, std::uint32_t> kActions = {
      {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},  {"SCMP_ACT_KILL", SCMP_ACT_KILL}, {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
      {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},    {"SCMP_ACT_LOG", SCMP_ACT_LOG},   {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
      {"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY}};
  if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(number.value_or(EPERM));
  if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(number.value_or(EPERM));
  return kActions.at(name);
}

scmp_compare to_op(const std::string& name) {
  static const std::map<std::string, scmp_compare> kOps = {{"SCMP_CMP_NE", SCMP_CMP_NE},
                                                           {"SCMP_CMP_LT", SCMP_CMP_LT},
                                                           {"SCMP_CMP_LE", SCMP_CMP_LE},
                                                           {"SCMP_CMP_EQ", SCMP_CMP_EQ},
                                                           {"SCMP_CMP_GE", SCMP_CMP_GE},
                                                           {"SCMP_CMP_GT", SCMP_CMP_GT},
                                                           {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  return kOps.at(name);
}

Program exported(scmp_filter_ctx context) {
  const int fd = ::memfd_create("bpf", MFD_CLOEXEC);
  REQUIRE(fd >= 0);
  REQUIRE(seccomp_export_bpf(context, fd) == 0);
  const off_t size = ::lseek(fd, 0, SEEK_END);
  Program out(static_cast<std::size_t>(size) / sizeof(sock_filter));
  REQUIRE(::pread(fd, out.data(), static_cast<std::size_t>(size), 0) == size);
  ::close(fd);
  return out;
}

// As runc drives the library: unknown names and rules that equal the default are left out, several conditions on one argument are
// alternatives.
Program compile_with_libseccomp(const oci::Seccomp& profile) {
  const std::uint32_t default_action = to_action(profile.default_action, profile.default_errno_ret);
  scmp_filter_ctx context = seccomp_init(default_action);
  REQUIRE(context != nullptr);
  for (const auto& arch : profile.architectures) {
    const std::uint32_t token = arch == "SCMP_ARCH_X86" ? SCMP_ARCH_X86 : arch == "SCMP_ARCH_X32" ? SCMP_ARCH_X32 : SCMP_ARCH_X86_64;
    const int r = seccomp_arch_add(context, token);
    REQUIRE((r == 0 || r == -EEXIST));
  }
  for (const auto& rule : profile.syscalls) {
    const std::uint32_t action = to_action(rule.action, rule.errno_ret);
    if (action == default_action) continue;
    std::vector<scmp_arg_cmp> args;
    std::map<unsigned, int> uses;
    for (const auto& a : rule.args) {
      args.push_back({a.index, to_op(a.op), a.value, a.value_two});
      ++uses[a.index];
    }
    const bool alternatives = std::any_of(uses.begin(), uses.end(), [](const auto& u) { return u.second > 1; });
    for (const auto& name : rule.names) {
      const int number = seccomp_syscall_resolve_name(name.c_str());
      if (number == __NR_SCMP_ERROR) continue;
      if (alternatives) {
        for (const auto& a : args) REQUIRE(seccomp_rule_add_array(context, action, number, 1, &a) == 0);
      } else {
        INFO(name);
        REQUIRE(seccomp_rule_add_array(context, action, number, static_cast<unsigned>(args.size()), args.data()) == 0);
      }
    }
  }
  Program out = exported(context);
  seccomp_release(context);
  return out;
}

bool has(const std::vector<std::string>& list, const char* what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

// Values at the edges of every condition in the profile.
std::vector<std::uint64_t> edges(const oci::Seccomp& profile) {
  constexpr std::uint64_t kHigh = std::uint64_t{1} << 32;
  std::vector<std::uint64_t> out = {0, 1, UINT32_MAX, 1ULL << 32, UINT64_MAX};
  for (const auto& rule : profile.syscalls)
    for (const auto& a : rule.args)
      for (const std::uint64_t v : {a.value, a.value_two, a.value & (0 - a.value), ~a.value})
        for (const std::uint64_t e : {v - 1, v, v + 1, v + kHigh, v ^ (kHigh << 31)}) out.push_back(e);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

struct Abi {
  std::uint32_t audit;
  std::uint32_t base;
  bool words;  // 64-bit arguments
  bool in_profile;
  runtime::SeccompArch arch;
};

std::uint32_t newest_named(const oci::Seccomp& profile, const Abi& abi) {
  std::uint32_t newest = abi.arch == runtime::SeccompArch::x86 ? 386 : 334;
  for (const auto& rule : profile.syscalls)
    for (const auto& name : rule.names)
      if (const auto n = runtime::syscall_number(abi.arch, name); n && *n - abi.base < 512) newest = std::max(newest, *n - abi.base);
  return newest;
}

// What ours must answer where libseccomp answers `theirs`.
std::uint32_t expected(const oci::Seccomp& profile, const Abi& abi, std::uint32_t number, std::uint32_t newest, std::uint32_t theirs) {
  if (!abi.in_profile) return SECCOMP_RET_KILL_PROCESS;
  const std::uint32_t n = number - abi.base;
  const bool own_x32 = abi.arch == runtime::SeccompArch::x32 && n >= 512 && n <= 547;
  if (n > newest && !own_x32 && profile.default_action == "SCMP_ACT_ERRNO") return SECCOMP_RET_ERRNO | ENOSYS;
  return theirs;
}

// libseccomp 2.5.4 does not know these: its filter says the default for them.
bool oracle_knows(const Abi& abi, std::uint32_t number) {
  const std::uint32_t n = number - abi.base;
  return n <= 450 && !(abi.arch != runtime::SeccompArch::x86 && (n == 335 || n == 336));
}

// Without the halves of a native call's arguments that the kernel drops.
seccomp_data as_the_kernel_reads(seccomp_data data) {
  static const std::map<int, unsigned> kInts = [] {
    std::map<int, unsigned> out;
    for (const runtime::SeccompCall& call : runtime::all_calls())
      if (call.x86_64 >= 0 && runtime::int_arguments(call.name) != 0) out[call.x86_64] = runtime::int_arguments(call.name);
    return out;
  }();
  const auto found = kInts.find(data.nr);
  for (unsigned i = 0; found != kInts.end() && i < 6; ++i)
    if ((found->second >> i & 1U) != 0) data.args[i] = static_cast<std::uint32_t>(data.args[i]);
  return data;
}

std::uint64_t compare(const oci::Seccomp& profile) {
  const auto ours = runtime::compile_seccomp(profile);
  if (!ours.ok()) FAIL(ours.error().message);
  REQUIRE(tests::is_valid(ours.value()));
  const Program theirs = compile_with_libseccomp(profile);
  const std::vector<std::uint64_t> values = edges(profile);
  const Abi abis[] = {{AUDIT_ARCH_X86_64, 0, true, true, runtime::SeccompArch::x86_64},
                      {AUDIT_ARCH_I386, 0, false, has(profile.architectures, "SCMP_ARCH_X86"), runtime::SeccompArch::x86},
                      {AUDIT_ARCH_X86_64, runtime::kX32Bit, false, has(profile.architectures, "SCMP_ARCH_X32"), runtime::SeccompArch::x32}};
  std::uint64_t compared = 0;
  std::mt19937_64 random(1);
  for (const Abi& abi : abis) {
    const std::uint32_t newest = newest_named(profile, abi);
    for (std::uint32_t n = 0; n <= 1024; ++n) {
      seccomp_data data{};
      data.arch = abi.audit;
      data.nr = static_cast<int>(abi.base + n);
      const auto check = [&] {
        const std::uint32_t got = tests::run(ours.value(), data);
        const std::uint32_t reference = tests::run(theirs, abi.words ? as_the_kernel_reads(data) : data);
        const std::uint32_t wanted = expected(profile, abi, abi.base + n, newest, reference);
        ++compared;
        if (got == wanted || (abi.in_profile && !oracle_knows(abi, abi.base + n) && n <= newest)) return;
        CAPTURE(abi.audit, abi.base, n, data.args[0], data.args[1], data.args[2], got, wanted, reference);
        FAIL("different answers");
      };
      for (const std::uint64_t v : values) {
        for (auto& a : data.args) a = abi.words ? v : static_cast<std::uint32_t>(v);
        check();
        // Each argument for itself, the others anything.
        for (std::size_t i = 0; i < 3; ++i) {
          for (auto& a : data.args) a = values[random() % values.size()];
          data.args[i] = v;
          if (!abi.words)
            for (auto& a : data.args) a = static_cast<std::uint32_t>(a);
          check();
        }
      }
      if (data.arch == AUDIT_ARCH_I386) {
        for (std::uint64_t call = 0; call <= 30; ++call) {  // socketcall and ipc
          for (auto& a : data.args) a = static_cast<std::uint32_t>(values[random() % values.size()]);
          data.args[0] = call;
          check();
        }
      }
    }
  }
  return compared;
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
  for (const char* mask_and_value :
       {R"("value":2114060288,"valueTwo":0)", R"("value":15,"valueTwo":5)", R"("value":18446744069414584320,"valueTwo":4294967296)"}) {
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

// Those of tests/root, tests/integration and the fuzzers' seeds, whose containers must not be the only proof.
TEST_CASE("equal: the profiles of all other tests", "[seccomp][equivalence]") {
  for (const char* rules :
       {R"("names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":1)", R"("names":["mkdir"],"action":"SCMP_ACT_NOTIFY")",
        R"("names":["mkdir","mkdirat","getppid","ptrace"],"action":"SCMP_ACT_NOTIFY")",
        R"("names":["faccessat2","openat2","close_range","clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38)",
        R"("names":["sendto","sendmsg"],"action":"SCMP_ACT_ERRNO")", R"("names":["reboot"],"action":"SCMP_ACT_ERRNO")",
        R"("names":["mkdir"],"action":"SCMP_ACT_ERRNO","args":[{"index":1,"value":448,"op":"SCMP_CMP_EQ"}])"}) {
    CAPTURE(rules);
    compare(profile_of(R"({"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/agent","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{)" +
                       std::string(rules) + "}]}"));
    compare(profile_of(R"({"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/agent",)" + kAllArches + R"("syscalls":[{)" +
                       std::string(rules) + "}]}"));
  }
  const std::string docker = R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"archMap":[{"architecture":"SCMP_ARCH_X86_64",
    "subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]}],"syscalls":[{"names":["mount"],"action":"SCMP_ACT_ALLOW",
    "includes":{"caps":["CAP_SYS_ADMIN"],"minKernel":"4.8"},"excludes":{}}]})";
  for (const std::vector<std::string>& capabilities : {std::vector<std::string>{}, std::vector<std::string>{"CAP_SYS_ADMIN"}}) {
    const auto profile = oci::parse_seccomp_profile(docker, {capabilities, "6.1"});
    REQUIRE(profile.ok());
    compare(profile.value());
  }
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
