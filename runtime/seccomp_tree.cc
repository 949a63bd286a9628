// Assembling decisions into classic BPF. Jumps only go forward, conditional ones at most 255 instructions.
#include "runtime/seccomp_tree.h"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <span>

namespace slipway::runtime {
namespace {

using Program = std::vector<sock_filter>;

sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
sock_filter give(std::uint32_t action) {
  return BPF_STMT(BPF_RET | BPF_K, action);
}
sock_filter jump(std::uint16_t test, std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
  return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | BPF_K | test), value, yes, no);
}
sock_filter jump_always(std::size_t distance) {
  return BPF_STMT(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(distance));
}

// seccomp_data is in the machine's byte order: on x86 the low half comes first.
std::size_t low_half(std::uint32_t index) {
  return offsetof(seccomp_data, args) + index * sizeof(std::uint64_t);
}
std::size_t high_half(std::uint32_t index) {
  return low_half(index) + sizeof(std::uint32_t);
}

// One rule: its conditions, each of which leaves for the rule's end where it does not hold, then its action.
class RuleAssembler {
 public:
  explicit RuleAssembler(Program& out) : out_(out) {}

  void add(const SeccompCondition& c, bool words) {
    if (c.op == SeccompOp::masked_eq) return add_masked(c, words);
    const auto low = static_cast<std::uint32_t>(c.value);
    if (words) add_high(c);
    out_.push_back(load(low_half(c.index)));
    switch (c.op) {
      case SeccompOp::eq: leave_if_not(BPF_JEQ, low); break;
      case SeccompOp::ge: leave_if_not(BPF_JGE, low); break;
      case SeccompOp::gt: leave_if_not(BPF_JGT, low); break;
      case SeccompOp::ne: leave_if(BPF_JEQ, low); break;
      case SeccompOp::lt: leave_if(BPF_JGE, low); break;
      case SeccompOp::le: leave_if(BPF_JGT, low); break;
      case SeccompOp::masked_eq: break;
    }
  }

  void finish(std::uint32_t action) {
    out_.push_back(give(action));
    // At most 6 conditions of 6 instructions: every distance fits into 8 bits.
    for (const std::size_t at : leave_on_yes_) out_[at].jt = static_cast<std::uint8_t>(out_.size() - at - 1);
    for (const std::size_t at : leave_on_no_) out_[at].jf = static_cast<std::uint8_t>(out_.size() - at - 1);
  }

 private:
  void leave_if(std::uint16_t test, std::uint32_t value) {
    leave_on_yes_.push_back(out_.size());
    out_.push_back(jump(test, value, 0, 0));
  }
  void leave_if_not(std::uint16_t test, std::uint32_t value) {
    leave_on_no_.push_back(out_.size());
    out_.push_back(jump(test, value, 0, 0));
  }

  // The high halves decide unless they are equal; then the two instructions that follow look at the low ones.
  void add_high(const SeccompCondition& c) {
    const auto high = static_cast<std::uint32_t>(c.value >> 32);
    constexpr std::uint8_t kHolds = 2;
    out_.push_back(load(high_half(c.index)));
    switch (c.op) {
      case SeccompOp::eq: leave_if_not(BPF_JEQ, high); break;
      case SeccompOp::ne: out_.push_back(jump(BPF_JEQ, high, 0, kHolds)); break;
      case SeccompOp::ge:
      case SeccompOp::gt:
        out_.push_back(jump(BPF_JGT, high, kHolds + 1, 0));
        leave_if_not(BPF_JEQ, high);
        break;
      case SeccompOp::lt:
      case SeccompOp::le:
        leave_if(BPF_JGT, high);
        out_.push_back(jump(BPF_JEQ, high, 0, kHolds));
        break;
      case SeccompOp::masked_eq: break;
    }
  }

  void add_masked(const SeccompCondition& c, bool words) {
    const auto half = [&](std::size_t offset, std::uint64_t mask, std::uint64_t wanted) {
      out_.push_back(load(offset));
      out_.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, static_cast<std::uint32_t>(mask)));
      leave_if_not(BPF_JEQ, static_cast<std::uint32_t>(wanted));
    };
    if (words) half(high_half(c.index), c.value >> 32, c.value_two >> 32);
    half(low_half(c.index), c.value, c.value_two);
  }

  Program& out_;
  std::vector<std::size_t> leave_on_yes_;
  std::vector<std::size_t> leave_on_no_;
};

void assemble_leaf(const SeccompRange& range, Program& out) {
  for (const SeccompRule& rule : range.decision->rules) {
    RuleAssembler assembler(out);
    for (const SeccompCondition& condition : rule.conditions) assembler.add(condition, range.words && !condition.low_half);
    assembler.finish(rule.action);
  }
  out.push_back(give(range.decision->action));
}

void assemble_subtree(std::span<const SeccompRange> ranges, Program& out) {
  if (ranges.size() == 1) return assemble_leaf(ranges.front(), out);
  const std::size_t middle = ranges.size() / 2;
  const std::size_t start = out.size();
  // Room for the long form; most distances are short and give it back.
  out.push_back(jump(BPF_JGE, ranges[middle].first, 0, 1));
  out.push_back(jump_always(0));
  assemble_subtree(ranges.first(middle), out);
  const std::size_t left = out.size() - start - 2;
  if (left <= UINT8_MAX) {
    out[start] = jump(BPF_JGE, ranges[middle].first, static_cast<std::uint8_t>(left), 0);
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(start) + 1);
  } else {
    out[start + 1] = jump_always(left);
  }
  assemble_subtree(ranges.subspan(middle), out);
}

}  // namespace

std::vector<sock_filter> assemble_tree(const std::vector<SeccompRange>& ranges) {
  Program out;
  out.reserve(ranges.size() * 2 + 64);
  out.push_back(load(offsetof(seccomp_data, nr)));
  assemble_subtree(ranges, out);
  return out;
}

Result<std::vector<sock_filter>> assemble_filter(const std::vector<sock_filter>& x86_64, const std::vector<sock_filter>& x86) {
  Program out;
  out.reserve(x86_64.size() + x86.size() + 8);
  out.push_back(load(offsetof(seccomp_data, arch)));
  const auto add = [&](std::uint32_t arch, const Program& program) {
    if (program.empty()) return;
    out.push_back(jump(BPF_JEQ, arch, 1, 0));
    out.push_back(jump_always(program.size()));
    out.insert(out.end(), program.begin(), program.end());
  };
  add(AUDIT_ARCH_X86_64, x86_64);
  add(AUDIT_ARCH_I386, x86);
  out.push_back(give(SECCOMP_RET_KILL_PROCESS));
  if (out.size() > BPF_MAXINSNS)
    return fail(Code::resource_exhausted, "linux.seccomp: the filter has {} instructions, the kernel takes {}", out.size(), BPF_MAXINSNS);
  return out;
}

}  // namespace slipway::runtime
