// The same profile by our compiler and by libseccomp: every number of every architecture, boundary arguments, the same answer.
#include "tests/unit/runtime_seccomp/equivalence.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include "base/unique_fd.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_calls.h"
#include "tests/unit/runtime_seccomp/bpf_machine.h"

namespace slipway::tests {
namespace {

using Program = std::vector<sock_filter>;

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

Result<Program> exported(scmp_filter_ctx context) {
  const UniqueFd fd(::memfd_create("bpf", MFD_CLOEXEC));
  if (!fd || seccomp_export_bpf(context, fd.get()) != 0) return fail(Code::internal, "libseccomp writes no program");
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  Program out(static_cast<std::size_t>(size) / sizeof(sock_filter));
  if (::pread(fd.get(), out.data(), static_cast<std::size_t>(size), 0) != size) return fail(Code::internal, "libseccomp's program is cut");
  return out;
}

Result<void> add_rule(scmp_filter_ctx context, const oci::SeccompSyscall& rule, std::uint32_t action) {
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
    int added = 0;
    if (alternatives) {
      for (const auto& a : args)
        if (added == 0) added = seccomp_rule_add_array(context, action, number, 1, &a);
    } else {
      added = seccomp_rule_add_array(context, action, number, static_cast<unsigned>(args.size()), args.data());
    }
    if (added != 0) return fail_errno(-added, "libseccomp refuses a rule for {}", name);
  }
  return {};
}

// As runc drives the library: unknown names and rules that equal the default are left out, several conditions on one argument are
// alternatives.
Result<Program> compile_with_libseccomp(const oci::Seccomp& profile) {
  const std::uint32_t default_action = to_action(profile.default_action, profile.default_errno_ret);
  const std::unique_ptr<void, void (*)(scmp_filter_ctx)> context(seccomp_init(default_action), &seccomp_release);
  if (!context) return fail(Code::internal, "libseccomp refuses the default action");
  for (const auto& arch : profile.architectures) {
    const std::uint32_t token = arch == "SCMP_ARCH_X86" ? SCMP_ARCH_X86 : arch == "SCMP_ARCH_X32" ? SCMP_ARCH_X32 : SCMP_ARCH_X86_64;
    const int r = seccomp_arch_add(context.get(), token);
    if (r != 0 && r != -EEXIST) return fail_errno(-r, "libseccomp refuses {}", arch);
  }
  for (const auto& rule : profile.syscalls) {
    const std::uint32_t action = to_action(rule.action, rule.errno_ret);
    if (action != default_action) TRY(add_rule(context.get(), rule, action));
  }
  return exported(context.get());
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
    for (const Prototype& prototype : kPrototypes)
      out[seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, prototype.name)] = prototype.ints();
    return out;
  }();
  const auto found = kInts.find(data.nr);
  for (unsigned i = 0; found != kInts.end() && i < 6; ++i)
    if ((found->second >> i & 1U) != 0) data.args[i] = static_cast<std::uint32_t>(data.args[i]);
  return data;
}

// One call number of one architecture, with many arguments.
class Comparison {
 public:
  Comparison(const oci::Seccomp& profile, Program ours, Program theirs)
      : profile_(profile), ours_(std::move(ours)), theirs_(std::move(theirs)), values_(edges(profile)) {}

  Result<void> all(const Abi& abi) {
    newest_ = newest_named(profile_, abi);
    for (std::uint32_t n = 0; n <= 1024; ++n) TRY(one(abi, n));
    return {};
  }
  std::uint64_t compared() const { return compared_; }

 private:
  Result<void> one(const Abi& abi, std::uint32_t n) {
    seccomp_data data{};
    data.arch = abi.audit;
    data.nr = static_cast<int>(abi.base + n);
    for (const std::uint64_t v : values_) {
      for (auto& a : data.args) a = abi.words ? v : static_cast<std::uint32_t>(v);
      TRY(check(abi, n, data));
      // Each argument for itself, the others anything.
      for (std::size_t i = 0; i < 6; ++i) {
        anything(data);
        data.args[i] = v;
        if (!abi.words)
          for (auto& a : data.args) a = static_cast<std::uint32_t>(a);
        TRY(check(abi, n, data));
      }
    }
    if (data.arch != AUDIT_ARCH_I386) return {};
    for (std::uint64_t call = 0; call <= 30; ++call) {  // socketcall and ipc
      anything(data);
      for (auto& a : data.args) a = static_cast<std::uint32_t>(a);
      data.args[0] = call;
      TRY(check(abi, n, data));
    }
    return {};
  }

  void anything(seccomp_data& data) {
    for (auto& a : data.args) a = values_[random_() % values_.size()];
  }

  Result<void> check(const Abi& abi, std::uint32_t n, const seccomp_data& data) {
    const std::uint32_t got = tests::run(ours_, data);
    const std::uint32_t reference = tests::run(theirs_, abi.words ? as_the_kernel_reads(data) : data);
    const std::uint32_t wanted = expected(profile_, abi, abi.base + n, newest_, reference);
    ++compared_;
    if (got == wanted || (abi.in_profile && !oracle_knows(abi, abi.base + n) && n <= newest_)) return {};
    std::string arguments;
    for (const auto a : data.args) arguments += fmt::format(" {:#x}", static_cast<std::uint64_t>(a));
    return fail(Code::aborted, "call {} of {:#x} with{}: {:#x} instead of {:#x} (libseccomp: {:#x})", abi.base + n, abi.audit, arguments,
                got, wanted, reference);
  }

  const oci::Seccomp& profile_;
  Program ours_, theirs_;
  std::vector<std::uint64_t> values_;
  std::mt19937_64 random_{1};
  std::uint32_t newest_ = 0;
  std::uint64_t compared_ = 0;
};

}  // namespace

unsigned Prototype::ints() const {
  unsigned out = 0;
  std::string_view rest = arguments;
  for (unsigned i = 0; !rest.empty(); ++i) {
    const std::string_view type = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), type.size() + 1));
    if (type == "int" || type == "unsigned" || type == "u32" || type == "pid_t") out |= 1U << i;
  }
  return out;
}

Result<std::uint64_t> compare(const oci::Seccomp& profile) {
  TRY_ASSIGN(Program ours, runtime::compile_seccomp(profile));
  if (!is_valid(ours)) return fail(Code::aborted, "the kernel would not take our program");
  TRY_ASSIGN(Program theirs, compile_with_libseccomp(profile));
  Comparison comparison(profile, std::move(ours), std::move(theirs));
  const Abi abis[] = {{AUDIT_ARCH_X86_64, 0, true, true, runtime::SeccompArch::x86_64},
                      {AUDIT_ARCH_I386, 0, false, has(profile.architectures, "SCMP_ARCH_X86"), runtime::SeccompArch::x86},
                      {AUDIT_ARCH_X86_64, runtime::kX32Bit, false, has(profile.architectures, "SCMP_ARCH_X32"), runtime::SeccompArch::x32}};
  for (const Abi& abi : abis) TRY(comparison.all(abi));
  return comparison.compared();
}

}  // namespace slipway::tests
