// From the profile's names to what is decided for each number of each architecture.
#include "runtime/seccomp.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>

#include "runtime/name_index.h"
#include "runtime/seccomp_calls.h"
#include "runtime/seccomp_tree.h"

#if !defined(__x86_64__)
#error "the seccomp compiler's tables are those of x86"
#endif

namespace slipway::runtime {
namespace {

constexpr std::uint32_t kLargestErrno = 4095;  // the kernel cuts what is larger
constexpr std::uint32_t kArguments = 6;

// Of config-linux.md; those of other machines are left out, since this machine's kernel never reports them.
constexpr std::string_view kArchitectures[] = {
    "SCMP_ARCH_X86",     "SCMP_ARCH_X86_64",      "SCMP_ARCH_X32",    "SCMP_ARCH_ARM",      "SCMP_ARCH_AARCH64",     "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",  "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",   "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_S390",   "SCMP_ARCH_S390X",    "SCMP_ARCH_PARISC",      "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_RISCV64", "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",   "SCMP_ARCH_SH",       "SCMP_ARCH_SHEB"};

template <class... Args>
Error wrong(fmt::format_string<Args...> text, Args&&... args) {
  return fail(Code::invalid_argument, text, std::forward<Args>(args)...);
}

constexpr std::string_view kNotify = "SCMP_ACT_NOTIFY";

struct ActionName {
  std::string_view name;
  std::uint32_t action;
  bool takes_errno;
};
constexpr auto kActions = std::to_array<ActionName>({
    {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false},
    {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true},
    {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false},
    {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false},
    {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false},
    {"SCMP_ACT_LOG", SECCOMP_RET_LOG, false},
    {"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF, false},
    {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true},
    {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false},
});

Result<std::uint32_t> read_action(const std::string& field, const std::string& errno_field, const std::string& name,
                                  const std::optional<std::uint32_t>& errno_ret) {
  const auto* known = std::find_if(kActions.begin(), kActions.end(), [&](const ActionName& a) { return a.name == name; });
  if (known == kActions.end()) return wrong("{}: '{}' is not known", field, name);
  if (!known->takes_errno) {
    if (errno_ret.value_or(0) != 0) return wrong("{}: {} gives no errno", errno_field, name);
    return known->action;
  }
  const std::uint32_t number = errno_ret.value_or(EPERM);
  if (number > kLargestErrno) return wrong("{}: {} is not an errno", errno_field, number);
  return known->action | number;
}

Result<SeccompOp> read_op(const std::string& field, std::string_view name) {
  constexpr std::pair<std::string_view, SeccompOp> kOps[] = {
      {"SCMP_CMP_NE", SeccompOp::ne},
      {"SCMP_CMP_LT", SeccompOp::lt},
      {"SCMP_CMP_LE", SeccompOp::le},
      {"SCMP_CMP_EQ", SeccompOp::eq},
      {"SCMP_CMP_GE", SeccompOp::ge},
      {"SCMP_CMP_GT", SeccompOp::gt},
      {"SCMP_CMP_MASKED_EQ", SeccompOp::masked_eq},
  };
  for (const auto& [known, op] : kOps)
    if (known == name) return op;
  return wrong("{}: '{}' is not known", field, name);
}

Result<std::vector<SeccompCondition>> read_conditions(const std::string& field, const std::vector<oci::SeccompArg>& args) {
  std::vector<SeccompCondition> out;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i].index >= kArguments) return wrong("{}.args[{}].index: {} is not from 0 to 5", field, i, args[i].index);
    TRY_ASSIGN(const SeccompOp op, read_op(fmt::format("{}.args[{}].op", field, i), args[i].op));
    // seccomp_rule_add(3): the masked argument is compared with the masked datum.
    const std::uint64_t second = op == SeccompOp::masked_eq ? args[i].value & args[i].value_two : args[i].value_two;
    out.push_back({args[i].index, op, args[i].value, second, false});
  }
  return out;
}

// The decisions for the numbers [0, kTop) of one architecture.
class Table {
 public:
  static constexpr std::uint32_t kTop = 600;

  explicit Table(std::uint32_t default_action) { decisions_.push_back({default_action, {}}); }

  std::uint32_t default_action() const { return decisions_.front().action; }
  std::uint32_t newest() const { return newest_; }
  const SeccompDecision* at(std::uint32_t number) const { return &decisions_[slots_[number]]; }
  const SeccompDecision* fallback() const { return &decisions_.front(); }
  // For numbers that the profile does not know.
  const SeccompDecision* constant(std::uint32_t action) { return &decisions_[constant_slot(action)]; }

  // A rule without conditions decides for good, also over conditional ones before it; the first of several does (as in libseccomp).
  void add(std::uint32_t number, std::uint32_t action, const std::vector<SeccompCondition>& conditions) {
    std::uint16_t& slot = slots_[number];
    const bool decided = slot != 0 && decisions_[slot].rules.empty();
    if (decided) return;
    if (conditions.empty()) {
      slot = constant_slot(action);
      return;
    }
    if (slot == 0) {
      slot = static_cast<std::uint16_t>(decisions_.size());
      decisions_.push_back({default_action(), {}});
    }
    decisions_[slot].rules.push_back({conditions, action});
  }

  // Numbers from 512 are x32's own old calls, not newer ones.
  void note(std::uint32_t number) {
    if (number < 512) newest_ = std::max(newest_, number);
  }

 private:
  std::uint16_t constant_slot(std::uint32_t action) {
    for (const std::uint16_t slot : constants_)
      if (decisions_[slot].action == action) return slot;
    constants_.push_back(static_cast<std::uint16_t>(decisions_.size()));
    decisions_.push_back({action, {}});
    return constants_.back();
  }

  std::array<std::uint16_t, kTop> slots_{};
  std::deque<SeccompDecision> decisions_;  // a deque: ranges point into it
  std::vector<std::uint16_t> constants_;
  std::uint32_t newest_ = 0;
};

// i386 has these behind socketcall(2) and ipc(2) too, told apart by the first argument (linux/net.h, linux/ipc.h).
struct Multiplexed {
  std::string_view name;
  std::uint32_t through;  // 102 socketcall, 117 ipc
  std::uint32_t call;
};
constexpr auto kMultiplexed = std::to_array<Multiplexed>({
    {"accept", 102, 5},      {"accept4", 102, 18},    {"bind", 102, 2},     {"connect", 102, 3},   {"getpeername", 102, 7},
    {"getsockname", 102, 6}, {"getsockopt", 102, 15}, {"listen", 102, 4},   {"msgctl", 117, 14},   {"msgget", 117, 13},
    {"msgrcv", 117, 12},     {"msgsnd", 117, 11},     {"recv", 102, 10},    {"recvfrom", 102, 12}, {"recvmmsg", 102, 19},
    {"recvmsg", 102, 17},    {"semctl", 117, 3},      {"semget", 117, 2},   {"semop", 117, 1},     {"semtimedop", 117, 4},
    {"send", 102, 9},        {"sendmmsg", 102, 20},   {"sendmsg", 102, 16}, {"sendto", 102, 11},   {"setsockopt", 102, 14},
    {"shmat", 117, 21},      {"shmctl", 117, 24},     {"shmdt", 117, 22},   {"shmget", 117, 23},   {"shutdown", 102, 13},
    {"socket", 102, 1},      {"socketpair", 102, 8},
});

class Compiler {
 public:
  explicit Compiler(const oci::Seccomp& profile, std::vector<std::string>* unknown) : profile_(profile), unknown_(unknown) {}

  Result<std::vector<sock_filter>> run() {
    TRY_ASSIGN(const std::uint32_t default_action, read_action("linux.seccomp.defaultAction", "linux.seccomp.defaultErrnoRet",
                                                               profile_.default_action, profile_.default_errno_ret));
    TRY(read_architectures(default_action));
    for (std::size_t i = 0; i < profile_.syscalls.size(); ++i) TRY(add_rule(i, default_action));
    const std::vector<sock_filter> native = assemble_tree(native_ranges());
    return assemble_filter(native, x86_ ? assemble_tree(x86_ranges()) : std::vector<sock_filter>());
  }

 private:
  Result<void> read_architectures(std::uint32_t default_action) {
    // This machine's own is always there: without it nothing could run.
    x86_64_.emplace(default_action);
    for (std::size_t i = 0; i < profile_.architectures.size(); ++i) {
      const std::string& name = profile_.architectures[i];
      if (name == "SCMP_ARCH_X86") {
        x86_.emplace(default_action);
      } else if (name == "SCMP_ARCH_X32") {
        x32_.emplace(default_action);
      } else if (std::ranges::find(kArchitectures, name) == std::end(kArchitectures)) {
        return wrong("linux.seccomp.architectures[{}]: '{}' is not known", i, name);
      }
    }
    return {};
  }

  Result<void> add_rule(std::size_t index, std::uint32_t default_action) {
    const oci::SeccompSyscall& rule = profile_.syscalls[index];
    const std::string field = fmt::format("linux.seccomp.syscalls[{}]", index);
    if (rule.names.empty()) return wrong("{}.names: is empty", field);
    TRY_ASSIGN(const std::uint32_t action, read_action(field + ".action", field + ".errnoRet", rule.action, rule.errno_ret));
    TRY_ASSIGN(const std::vector<SeccompCondition> conditions, read_conditions(field, rule.args));
    for (const std::string& name : rule.names) {
      const SeccompCall* call = find_call(name);
      if (call == nullptr && !is_multiplexed(name)) {
        if (unknown_ != nullptr) unknown_->push_back(name);
        continue;
      }
      if (call != nullptr) note(*call);
      if (action == default_action) continue;  // says nothing new, and must not hide the conditional rules of its call
      add_call(name, call, action, conditions);
    }
    return {};
  }

  void note(const SeccompCall& call) {
    if (call.x86_64 >= 0) x86_64_->note(static_cast<std::uint32_t>(call.x86_64));
    if (x86_ && call.x86 >= 0) x86_->note(static_cast<std::uint32_t>(call.x86));
    if (x32_ && call.x32 >= 0) x32_->note(static_cast<std::uint32_t>(call.x32));
  }

  void add_call(std::string_view name, const SeccompCall* call, std::uint32_t action, const std::vector<SeccompCondition>& conditions) {
    if (call != nullptr) {
      if (call->x86_64 >= 0) add(*x86_64_, static_cast<std::uint32_t>(call->x86_64), action, narrowed(name, conditions));
      if (x86_ && call->x86 >= 0) add(*x86_, static_cast<std::uint32_t>(call->x86), action, conditions);
      if (x32_ && call->x32 >= 0) add(*x32_, static_cast<std::uint32_t>(call->x32), action, conditions);
    }
    if (x86_) add_multiplexed(name, action, conditions);
  }

  // A value of more than 32 bits stays compared whole: nothing that the kernel sees can equal it.
  static std::vector<SeccompCondition> narrowed(std::string_view name, std::vector<SeccompCondition> conditions) {
    if (conditions.empty()) return conditions;
    const unsigned ints = int_arguments(name);
    for (SeccompCondition& c : conditions) c.low_half = (ints >> c.index & 1U) != 0 && c.value <= UINT32_MAX && c.value_two <= UINT32_MAX;
    return conditions;
  }

  // Several conditions on one argument are alternatives, those on different ones must all hold: so runc reads profiles.
  static void add(Table& table, std::uint32_t number, std::uint32_t action, const std::vector<SeccompCondition>& conditions) {
    std::array<bool, kArguments> seen{};
    bool alternatives = false;
    for (const SeccompCondition& c : conditions) alternatives = std::exchange(seen[c.index], true) || alternatives;
    if (!alternatives) return table.add(number, action, conditions);
    for (const SeccompCondition& c : conditions) table.add(number, action, {c});
  }

  // The real arguments lie in memory, out of a filter's sight, all but the first: as libseccomp has it, a condition on it gives way.
  void add_multiplexed(std::string_view name, std::uint32_t action, const std::vector<SeccompCondition>& conditions) {
    const auto* found = find_multiplexed(name);
    if (found == nullptr) return;
    std::vector<SeccompCondition> through = {{0, SeccompOp::eq, found->call, 0, false}};
    for (const SeccompCondition& c : conditions)
      if (c.index != 0) through.push_back(c);
    add(*x86_, found->through, action, through);
  }

  static const Multiplexed* find_multiplexed(std::string_view name) {
    static constexpr NameIndex kIndex(kMultiplexed);
    return kIndex.find(name);
  }
  static bool is_multiplexed(std::string_view name) { return find_multiplexed(name) != nullptr; }

  // What a call is told that is newer than everything in the profile.
  static const SeccompDecision* for_newer(Table& table) {
    const std::uint32_t action = table.default_action();
    const bool gives_errno = (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
    return gives_errno ? table.constant(SECCOMP_RET_ERRNO | ENOSYS) : table.fallback();
  }

  static void append(std::vector<SeccompRange>& ranges, std::uint32_t first, const SeccompDecision* decision, bool words) {
    if (!ranges.empty() && ranges.back().decision == decision) return;
    ranges.push_back({first, decision, words});
  }

  // [0, 2^32) of one table, its numbers moved up by `base`. Before the common numbering (424 and up) `oldest_newest` was the last call.
  static void append_table(std::vector<SeccompRange>& ranges, Table& table, std::uint32_t base, std::uint32_t oldest_newest, bool words) {
    const std::uint32_t newest = std::max(table.newest(), oldest_newest);
    const SeccompDecision* newer = for_newer(table);
    for (std::uint32_t number = 0; number < Table::kTop; ++number) {
      const bool known = number <= newest || (base == kX32Bit && number >= 512 && number <= kNewestOwnX32);
      append(ranges, base + number, known ? table.at(number) : newer, words);
    }
  }

  std::vector<SeccompRange> native_ranges() {
    std::vector<SeccompRange> ranges;
    append_table(ranges, *x86_64_, 0, kOldestNewest64, true);
    if (x32_) {
      append_table(ranges, *x32_, kX32Bit, kOldestNewest64, false);
    } else {
      append(ranges, kX32Bit, &kill_, true);
    }
    // -1 is what a tracer leaves of a call to be skipped, and an x32 call only by its bits.
    append(ranges, UINT32_MAX, for_newer(*x86_64_), true);
    return ranges;
  }

  std::vector<SeccompRange> x86_ranges() {
    std::vector<SeccompRange> ranges;
    append_table(ranges, *x86_, 0, kOldestNewest32, false);
    return ranges;
  }

  static constexpr std::uint32_t kOldestNewest64 = 334;  // rseq
  static constexpr std::uint32_t kOldestNewest32 = 386;  // rseq
  static constexpr std::uint32_t kNewestOwnX32 = 547;    // pwritev2

  const oci::Seccomp& profile_;
  std::vector<std::string>* unknown_;
  std::optional<Table> x86_64_;
  std::optional<Table> x86_;
  std::optional<Table> x32_;
  const SeccompDecision kill_{SECCOMP_RET_KILL_PROCESS, {}};
};

// Who is to answer must be there before the first call that waits for an answer; what hands the listener over are calls too.
Result<void> check_listener(const oci::Seccomp& profile) {
  if (profile.default_action == kNotify)
    return wrong("linux.seccomp.defaultAction: {} would stop init before anybody could answer it", kNotify);
  if (!profile.listener_path.empty() && !profile.listener_path.starts_with('/'))
    return wrong("linux.seccomp.listenerPath: '{}' is not absolute", profile.listener_path);
  if (profile.listener_path.empty() && !profile.listener_metadata.empty())
    return wrong("linux.seccomp.listenerMetadata: there is no listenerPath to tell it to");
  if (profile.listener_path.empty() && has_listener(profile)) return wrong("linux.seccomp.listenerPath: {} needs one", kNotify);
  return {};
}

}  // namespace

bool has_listener(const oci::Seccomp& profile) {
  return std::ranges::any_of(profile.syscalls, [](const oci::SeccompSyscall& rule) { return rule.action == kNotify; });
}

Result<std::vector<sock_filter>> compile_seccomp(const oci::Seccomp& profile, std::vector<std::string>* unknown_names) {
  TRY(check_listener(profile));
  return Compiler(profile, unknown_names).run();
}

std::optional<std::uint32_t> syscall_number(SeccompArch arch, std::string_view name) {
  const SeccompCall* call = find_call(name);
  if (call == nullptr) return std::nullopt;
  const std::int16_t number = arch == SeccompArch::x86_64 ? call->x86_64 : arch == SeccompArch::x86 ? call->x86 : call->x32;
  if (number < 0) return std::nullopt;
  return static_cast<std::uint32_t>(number) | (arch == SeccompArch::x32 ? kX32Bit : 0U);
}

}  // namespace slipway::runtime
