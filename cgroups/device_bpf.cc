// The device filter: rules from the last to the first, each taking the accesses that it decides out of those still asked for.
//
//   r2 = type   r3 = accesses still undecided   r4 = major   r5 = minor   (linux/bpf.h, struct bpf_cgroup_dev_ctx)
#include "cgroups/device_bpf.h"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace slipway::cgroups {
namespace {

constexpr std::uint32_t kAllAccess = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;

bpf_insn insn(int code, int dst, int src, int off, std::int32_t imm) {
  bpf_insn i{};
  i.code = static_cast<__u8>(code);
  i.dst_reg = static_cast<__u8>(dst) & 0xFU;
  i.src_reg = static_cast<__u8>(src) & 0xFU;
  i.off = static_cast<__s16>(off);
  i.imm = imm;
  return i;
}
bpf_insn load_word(int dst, std::size_t offset) {
  return insn(BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_1, static_cast<int>(offset), 0);
}
bpf_insn jump_unless_equal(int reg, std::uint32_t value, int over) {
  return insn(BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, over, static_cast<std::int32_t>(value));
}

void answer(std::vector<bpf_insn>& out, bool yes) {
  out.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, yes ? 1 : 0));
  out.push_back(insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

struct Plan {
  bool allow = false;
  int type = 0;  // BPF_DEVCG_DEV_*, 0 = any
  std::optional<std::uint32_t> major;
  std::optional<std::uint32_t> minor;
  std::uint32_t access = 0;
  bool decides_all() const { return type == 0 && !major && !minor && access == kAllAccess; }
};

// Absent and -1 mean any.
Result<std::optional<std::uint32_t>> to_number(std::size_t index, const char* what, const std::optional<std::int64_t>& number) {
  if (!number || *number == -1) return std::optional<std::uint32_t>();
  if (*number < 0 || *number > UINT32_MAX)
    return fail(Code::invalid_argument, "linux.resources.devices[{}].{}: {} is not a device number", index, what, *number);
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(*number));
}

Result<Plan> read_rule(std::size_t index, const oci::DeviceRule& rule) {
  Plan out;
  out.allow = rule.allow;
  if (rule.type == "b") {
    out.type = BPF_DEVCG_DEV_BLOCK;
  } else if (rule.type == "c" || rule.type == "u") {
    out.type = BPF_DEVCG_DEV_CHAR;
  } else if (!rule.type.empty() && rule.type != "a") {
    return fail(Code::invalid_argument, "linux.resources.devices[{}].type: '{}' is not known", index, rule.type);
  }
  TRY_ASSIGN(out.major, to_number(index, "major", rule.major));
  TRY_ASSIGN(out.minor, to_number(index, "minor", rule.minor));
  for (const char c : rule.access) {
    std::uint32_t bit = 0;
    if (c == 'r') bit = BPF_DEVCG_ACC_READ;
    if (c == 'w') bit = BPF_DEVCG_ACC_WRITE;
    if (c == 'm') bit = BPF_DEVCG_ACC_MKNOD;
    if (bit == 0) return fail(Code::invalid_argument, "linux.resources.devices[{}].access: '{}' is not some of 'rwm'", index, rule.access);
    out.access |= bit;
  }
  if (rule.access.empty()) out.access = kAllAccess;
  return out;
}

// What a rule whose device matched does: an answer, or r3 without what it allowed. Falls through where accesses are left.
std::vector<bpf_insn> verdict_of(const Plan& rule) {
  std::vector<bpf_insn> out;
  if (rule.access != kAllAccess && rule.allow) {
    out.push_back(insn(BPF_ALU | BPF_AND | BPF_K, BPF_REG_3, 0, 0, static_cast<std::int32_t>(kAllAccess & ~rule.access)));
    out.push_back(jump_unless_equal(BPF_REG_3, 0, 2));
  } else if (rule.access != kAllAccess) {
    out.push_back(insn(BPF_JMP32 | BPF_JSET | BPF_K, BPF_REG_3, 0, 1, static_cast<std::int32_t>(rule.access)));
    out.push_back(insn(BPF_JMP | BPF_JA, 0, 0, 2, 0));
  }
  answer(out, rule.allow);  // some access is always undecided, so a rule about all of them answers
  return out;
}

// Adjacent rules that differ in nothing but the minor number. One test of type and major for all of them: the verifier follows each
// branch, and that is most of what loading the program costs.
struct Group {
  Plan rule;
  std::vector<std::uint32_t> minors;  // none: any
};

void emit_group(const Group& group, std::vector<bpf_insn>& out) {
  const std::vector<bpf_insn> verdict = verdict_of(group.rule);
  const std::size_t minors = group.minors.size();
  std::vector<bpf_insn> tests;
  if (group.rule.type != 0) tests.push_back(jump_unless_equal(BPF_REG_2, static_cast<std::uint32_t>(group.rule.type), 0));
  if (group.rule.major) tests.push_back(jump_unless_equal(BPF_REG_4, *group.rule.major, 0));
  const std::size_t total = tests.size() + minors;
  for (std::size_t i = 0; i < tests.size(); ++i) tests[i].off = static_cast<__s16>(total - i - 1 + verdict.size());
  for (std::size_t i = 0; i < minors; ++i) {
    const bool last = i + 1 == minors;
    const int over = static_cast<int>(last ? verdict.size() : minors - i - 1);
    tests.push_back(insn(BPF_JMP32 | (last ? BPF_JNE : BPF_JEQ) | BPF_K, BPF_REG_5, 0, over, static_cast<std::int32_t>(group.minors[i])));
  }
  out.insert(out.end(), tests.begin(), tests.end());
  out.insert(out.end(), verdict.begin(), verdict.end());
}

bool same_but_minor(const Plan& a, const Plan& b) {
  return a.allow == b.allow && a.type == b.type && a.major == b.major && a.access == b.access && a.minor && b.minor;
}

// There are block and character devices only: what adjacent rules say of one and the other holds of any.
bool make_up_any_type(const Plan& a, const Plan& b) {
  return a.allow == b.allow && a.type != 0 && b.type != 0 && a.type != b.type && a.major == b.major && a.minor == b.minor &&
         a.access == b.access;
}

// In the order of asking: the last rule first. A jump reaches 32767 instructions: groups end long before.
std::vector<Group> group_rules(std::span<const Plan> plans) {
  constexpr std::size_t kMostMinors = 1024;
  std::vector<Group> out;
  for (auto plan = plans.rbegin(); plan != plans.rend(); ++plan) {
    if (!out.empty() && same_but_minor(out.back().rule, *plan) && out.back().minors.size() < kMostMinors) {
      out.back().minors.push_back(*plan->minor);
    } else if (!out.empty() && out.back().minors.size() <= 1 && make_up_any_type(out.back().rule, *plan)) {
      out.back().rule.type = 0;
    } else {
      out.push_back({*plan, {}});
      if (plan->minor) out.back().minors.push_back(*plan->minor);
    }
  }
  return out;
}

oci::DeviceRule allow(const char* type, std::optional<std::int64_t> major, std::optional<std::int64_t> minor, const char* access) {
  return {.allow = true, .type = type, .major = major, .minor = minor, .access = access};
}

}  // namespace

const std::vector<oci::DeviceRule>& default_device_rules() {
  static const std::vector<oci::DeviceRule> kRules = {
      allow("c", {}, {}, "m"),                              // making a node gives no access to what it names
      allow("b", {}, {}, "m"),    allow("c", 1, 3, "rwm"),  // null
      allow("c", 1, 5, "rwm"),                              // zero
      allow("c", 1, 7, "rwm"),                              // full
      allow("c", 1, 8, "rwm"),                              // random
      allow("c", 1, 9, "rwm"),                              // urandom
      allow("c", 5, 0, "rwm"),                              // tty
      allow("c", 5, 1, "rwm"),                              // console
      allow("c", 5, 2, "rwm"),                              // ptmx
      allow("c", 136, {}, "rwm"),                           // pts/*
  };
  return kRules;
}

std::vector<oci::DeviceRule> with_defaults(std::span<const oci::DeviceRule> rules) {
  std::vector<oci::DeviceRule> out;
  out.push_back({.allow = false, .type = "a", .major = {}, .minor = {}, .access = "rwm"});
  out.insert(out.end(), rules.begin(), rules.end());
  out.insert(out.end(), default_device_rules().begin(), default_device_rules().end());
  return out;
}

Result<std::vector<bpf_insn>> compile_device_filter(std::span<const oci::DeviceRule> rules) {
  std::vector<Plan> plans;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    TRY_ASSIGN(Plan plan, read_rule(i, rules[i]));
    plans.push_back(plan);
  }
  // Nothing before a rule that decides everything can matter, nor can rules that say what holds otherwise anyway.
  std::size_t first = 0;
  bool otherwise = false;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    if (!plans[i].decides_all()) continue;
    first = i + 1;
    otherwise = plans[i].allow;
  }
  std::vector<bpf_insn> out;
  if (std::any_of(plans.begin() + static_cast<std::ptrdiff_t>(first), plans.end(), [&](const Plan& p) { return p.allow != otherwise; })) {
    out.push_back(load_word(BPF_REG_2, offsetof(bpf_cgroup_dev_ctx, access_type)));
    out.push_back(insn(BPF_ALU | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0));
    out.push_back(insn(BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16));
    out.push_back(insn(BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xFFFF));
    out.push_back(load_word(BPF_REG_4, offsetof(bpf_cgroup_dev_ctx, major)));
    out.push_back(load_word(BPF_REG_5, offsetof(bpf_cgroup_dev_ctx, minor)));
    for (const Group& group : group_rules(std::span(plans).subspan(first))) emit_group(group, out);
  }
  answer(out, otherwise);
  return out;
}

}  // namespace slipway::cgroups
