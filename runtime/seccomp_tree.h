// What a filter decides for each number of one architecture, and its assembly into BPF. Internal to the seccomp compiler.
//
//   ld arch ─ x86-64? ─ ld nr ─ tree over [0, 2^32): x86-64 below the x32 bit, x32 above ─ leaves
//           └ i386?   ─ ld nr ─ tree ─ leaves
//           └ neither: kill
// A leaf is one `ret`, or the rules of one call with conditions on its arguments.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace slipway::runtime {

enum class SeccompOp : std::uint8_t { ne, lt, le, eq, ge, gt, masked_eq };

struct SeccompCondition {
  std::uint32_t index = 0;
  SeccompOp op = SeccompOp::eq;
  std::uint64_t value = 0;      // the mask of masked_eq
  std::uint64_t value_two = 0;  // what is left under the mask
  bool low_half = false;        // the kernel reads no more of this argument
};

struct SeccompRule {
  std::vector<SeccompCondition> conditions;  // all must hold
  std::uint32_t action = 0;                  // SECCOMP_RET_*
};

// Either an action, or rules of which the first that matches decides and `action` if none does.
struct SeccompDecision {
  std::uint32_t action = 0;
  std::vector<SeccompRule> rules;
};

struct SeccompRange {
  std::uint32_t first = 0;  // up to the next range's first
  const SeccompDecision* decision = nullptr;
  bool words = true;  // compare 64-bit arguments; else their low halves: the ABI's longs have 32 bits
};

// Sorted, the first one from 0.
std::vector<sock_filter> assemble_tree(const std::vector<SeccompRange>& ranges);

// Programs of the two kernel architectures; an empty one kills. resource_exhausted past the kernel's 4096 instructions.
Result<std::vector<sock_filter>> assemble_filter(const std::vector<sock_filter>& x86_64, const std::vector<sock_filter>& x86);

}  // namespace slipway::runtime
