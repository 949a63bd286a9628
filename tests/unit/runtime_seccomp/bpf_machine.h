// A small classic-BPF machine over seccomp_data: what the kernel would answer, without asking it.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <span>

namespace slipway::tests {

// What the kernel's own check of a seccomp filter demands: known instructions, aligned loads within seccomp_data, jumps inside, a return.
bool is_valid(std::span<const sock_filter> program);

std::uint32_t run(std::span<const sock_filter> program, const seccomp_data& data);

}  // namespace slipway::tests
