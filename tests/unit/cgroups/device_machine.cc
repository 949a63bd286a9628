// The instructions that device filters use, and no others.
#include "tests/unit/cgroups/device_machine.h"

#include <cstring>
#include <stdexcept>

namespace slipway::tests {

bool ask(std::span<const bpf_insn> program, std::uint32_t type, std::uint32_t access, std::uint32_t major, std::uint32_t minor) {
  const bpf_cgroup_dev_ctx context{(access << 16) | type, major, minor};
  std::uint64_t r[11] = {};
  for (std::size_t at = 0; at < program.size(); ++at) {
    const bpf_insn& i = program[at];
    const auto imm = static_cast<std::uint32_t>(i.imm);
    const auto low = static_cast<std::uint32_t>(r[i.dst_reg]);
    switch (i.code) {
      case BPF_LDX | BPF_MEM | BPF_W: {
        std::uint32_t word = 0;
        if (i.src_reg != 1 || i.off < 0 || i.off + sizeof word > sizeof context) throw std::logic_error("a load outside of the context");
        std::memcpy(&word, reinterpret_cast<const char*>(&context) + i.off, sizeof word);
        r[i.dst_reg] = word;
        break;
      }
      case BPF_ALU64 | BPF_MOV | BPF_K: r[i.dst_reg] = static_cast<std::uint64_t>(std::int64_t{i.imm}); break;
      case BPF_ALU | BPF_MOV | BPF_X: r[i.dst_reg] = static_cast<std::uint32_t>(r[i.src_reg]); break;
      case BPF_ALU | BPF_AND | BPF_K: r[i.dst_reg] = low & imm; break;
      case BPF_ALU | BPF_RSH | BPF_K: r[i.dst_reg] = low >> imm; break;
      case BPF_JMP | BPF_JA: at += static_cast<std::size_t>(i.off); break;
      case BPF_JMP32 | BPF_JEQ | BPF_K: at += low == imm ? static_cast<std::size_t>(i.off) : 0; break;
      case BPF_JMP32 | BPF_JNE | BPF_K: at += low != imm ? static_cast<std::size_t>(i.off) : 0; break;
      case BPF_JMP32 | BPF_JSET | BPF_K: at += (low & imm) != 0 ? static_cast<std::size_t>(i.off) : 0; break;
      case BPF_JMP | BPF_EXIT: return r[0] != 0;
      default: throw std::logic_error("an instruction that the machine does not know");
    }
  }
  throw std::logic_error("the program ran off its end");
}

}  // namespace slipway::tests
