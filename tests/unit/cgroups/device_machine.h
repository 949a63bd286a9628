// A small eBPF machine for device filters: what the kernel would answer to one access.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <span>

namespace slipway::tests {

// `type`: BPF_DEVCG_DEV_*, `access`: BPF_DEVCG_ACC_* or'ed.
bool ask(std::span<const bpf_insn> program, std::uint32_t type, std::uint32_t access, std::uint32_t major, std::uint32_t minor);

}  // namespace slipway::tests
