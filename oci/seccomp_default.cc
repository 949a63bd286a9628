// The default seccomp profile: the table's rows, and what further capabilities add.
#include "oci/seccomp_default.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string_view>

#include "base/text.h"
#include "oci/seccomp_table.h"

namespace slipway::oci {
namespace {

struct Grant {
  std::string_view capability;
  std::string_view syscall;
};

// A call that a capability exists for is of no use without it, and its risk is taken with it.
constexpr auto kGrants = std::to_array<Grant>({
    {"CAP_BPF", "bpf"},
    {"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
    {"CAP_PERFMON", "perf_event_open"},
    {"CAP_SYSLOG", "syslog"},
    {"CAP_SYS_ADMIN", "bpf"},
    {"CAP_SYS_ADMIN", "clone"},
    {"CAP_SYS_ADMIN", "clone3"},
    {"CAP_SYS_ADMIN", "fanotify_init"},
    {"CAP_SYS_ADMIN", "fsconfig"},
    {"CAP_SYS_ADMIN", "fsmount"},
    {"CAP_SYS_ADMIN", "fsopen"},
    {"CAP_SYS_ADMIN", "fspick"},
    {"CAP_SYS_ADMIN", "lookup_dcookie"},
    {"CAP_SYS_ADMIN", "mount"},
    {"CAP_SYS_ADMIN", "mount_setattr"},
    {"CAP_SYS_ADMIN", "move_mount"},
    {"CAP_SYS_ADMIN", "open_tree"},
    {"CAP_SYS_ADMIN", "open_tree_attr"},
    {"CAP_SYS_ADMIN", "perf_event_open"},
    {"CAP_SYS_ADMIN", "quotactl"},
    {"CAP_SYS_ADMIN", "quotactl_fd"},
    {"CAP_SYS_ADMIN", "setdomainname"},
    {"CAP_SYS_ADMIN", "sethostname"},
    {"CAP_SYS_ADMIN", "setns"},
    {"CAP_SYS_ADMIN", "syslog"},
    {"CAP_SYS_ADMIN", "umount"},
    {"CAP_SYS_ADMIN", "umount2"},
    {"CAP_SYS_ADMIN", "unshare"},
    {"CAP_SYS_BOOT", "reboot"},
    {"CAP_SYS_MODULE", "delete_module"},
    {"CAP_SYS_MODULE", "finit_module"},
    {"CAP_SYS_MODULE", "init_module"},
    {"CAP_SYS_NICE", "get_mempolicy"},
    {"CAP_SYS_NICE", "mbind"},
    {"CAP_SYS_NICE", "set_mempolicy"},
    {"CAP_SYS_NICE", "set_mempolicy_home_node"},
    {"CAP_SYS_PACCT", "acct"},
    {"CAP_SYS_PTRACE", "kcmp"},
    {"CAP_SYS_PTRACE", "pidfd_getfd"},
    {"CAP_SYS_PTRACE", "process_madvise"},
    {"CAP_SYS_RAWIO", "ioperm"},
    {"CAP_SYS_RAWIO", "iopl"},
    {"CAP_SYS_TIME", "clock_settime"},
    {"CAP_SYS_TIME", "clock_settime64"},
    {"CAP_SYS_TIME", "settimeofday"},
    {"CAP_SYS_TIME", "stime"},
    {"CAP_SYS_TTY_CONFIG", "vhangup"},
});

// One of the 14 common capabilities that the table counts on: without it its call goes.
constexpr Grant kInTable[] = {{"CAP_SYS_CHROOT", "chroot"}};

// Which capabilities that matter are there: a bit each of the two lists. The same bits are the same profile.
std::uint64_t key_of(std::span<const std::string> capabilities) {
  static_assert(kGrants.size() + std::size(kInTable) <= 64);
  std::uint64_t bits = 0;
  for (const std::string& name : capabilities) {
    for (std::size_t i = 0; i < kGrants.size(); ++i)
      if (kGrants[i].capability == name) bits |= std::uint64_t{1} << i;
    for (std::size_t i = 0; i < std::size(kInTable); ++i)
      if (kInTable[i].capability == name) bits |= std::uint64_t{1} << (kGrants.size() + i);
  }
  return bits;
}

constexpr std::size_t kMostKept = 8;  // of 8 KiB each

class Texts {
 public:
  std::shared_ptr<const std::string> find(std::uint64_t key) {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(key);
    return found == kept_.end() ? nullptr : found->second;
  }
  void keep(std::uint64_t key, const std::shared_ptr<const std::string>& text) {
    const std::lock_guard lock(mutex_);
    if (kept_.size() == kMostKept) kept_.clear();
    kept_.insert_or_assign(key, text);
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<const std::string>> kept_;
};

struct Row {
  std::string_view syscall;
  std::string_view action;  // "allow" or "errno N"
  std::string_view when;    // "" or "argN OP VALUE"
};

Error bad_row(const Row& row) {
  return fail(Code::internal, "seccomp-default.tsv: cannot read the row of '{}': '{}' '{}'", row.syscall, row.action, row.when);
}

Result<SeccompArg> read_condition(const Row& row) {
  std::string_view rest = row.when;
  std::string_view index = cut(rest, ' ');
  const std::string_view op = cut(rest, ' ');
  if (!index.starts_with("arg")) return bad_row(row);
  const auto which = to_number<decltype(SeccompArg::index)>(index.substr(3));
  const auto value = to_number<std::uint64_t>(rest);
  if (!which || !value) return bad_row(row);
  SeccompArg arg;
  arg.index = *which;
  arg.value = *value;
  if (op == "eq") {
    arg.op = "SCMP_CMP_EQ";
  } else if (op == "lt") {
    arg.op = "SCMP_CMP_LT";
  } else if (op == "gt") {
    arg.op = "SCMP_CMP_GT";
  } else if (op == "masked_eq") {  // (arg & number) == 0
    arg.op = "SCMP_CMP_MASKED_EQ";
  } else {
    return bad_row(row);
  }
  return arg;
}

Result<SeccompSyscall> read_rule(const Row& row) {
  SeccompSyscall rule;
  rule.names.emplace_back(row.syscall);
  if (row.action == "allow") {
    rule.action = "SCMP_ACT_ALLOW";
  } else if (row.action.starts_with("errno ")) {
    rule.action = "SCMP_ACT_ERRNO";
    rule.errno_ret = to_number<std::uint32_t>(row.action.substr(6));
    if (!rule.errno_ret) return bad_row(row);
  } else {
    return bad_row(row);
  }
  if (!row.when.empty()) {
    TRY_ASSIGN(SeccompArg arg, read_condition(row));
    rule.args.push_back(std::move(arg));
  }
  return rule;
}

}  // namespace

Result<Seccomp> default_profile(std::span<const std::string> capabilities) {
  const auto has = [&](std::string_view name) { return std::find(capabilities.begin(), capabilities.end(), name) != capabilities.end(); };
  std::set<std::string_view> granted;
  for (const Grant& grant : kGrants)
    if (has(grant.capability)) granted.insert(grant.syscall);

  Seccomp out;
  out.default_action = "SCMP_ACT_ERRNO";
  out.default_errno_ret = EPERM;
  out.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
  SeccompSyscall& plain = out.syscalls.emplace_back();
  plain.action = "SCMP_ACT_ALLOW";
  std::vector<SeccompSyscall> special;
  for (std::string_view text = kSeccompTable; !text.empty();) {
    std::string_view line = cut(text, '\n');
    if (line.empty() || line.starts_with('#')) continue;
    Row row;
    row.syscall = cut(line, '\t');
    row.action = cut(line, '\t');
    row.when = line;
    // What a capability grants is granted whole: the table's conditions for those without it go.
    if (granted.contains(row.syscall)) continue;
    if (std::any_of(std::begin(kInTable), std::end(kInTable),
                    [&](const Grant& g) { return g.syscall == row.syscall && !has(g.capability); }))
      continue;
    TRY_ASSIGN(SeccompSyscall rule, read_rule(row));
    if (rule.action == plain.action && rule.args.empty()) {
      plain.names.push_back(std::move(rule.names.front()));
    } else {
      special.push_back(std::move(rule));
    }
  }
  for (const std::string_view name : granted) plain.names.emplace_back(name);
  out.syscalls.insert(out.syscalls.end(), std::make_move_iterator(special.begin()), std::make_move_iterator(special.end()));
  return out;
}

Result<std::shared_ptr<const std::string>> default_profile_text(std::span<const std::string> capabilities) {
  static Texts texts;
  const std::uint64_t key = key_of(capabilities);
  if (auto kept = texts.find(key)) return kept;
  TRY_ASSIGN(const Seccomp profile, default_profile(capabilities));
  const auto text = std::make_shared<const std::string>(write_seccomp(profile));
  texts.keep(key, text);
  return text;
}

}  // namespace slipway::oci
