// The machine: one accumulator, one index register, 16 words of memory (bpf(4) and the kernel's net/core/filter.c).
#include "tests/unit/runtime_seccomp/bpf_machine.h"

#include <cstring>
#include <stdexcept>

namespace slipway::tests {
namespace {

bool is_known(std::uint16_t code) {
  switch (code) {
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_IMM:
    case BPF_LD | BPF_MEM:
    case BPF_ST:
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_JMP | BPF_JA:
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_RET | BPF_K: return true;
    default: return false;
  }
}

bool fits(std::span<const sock_filter> program, std::size_t at) {
  const sock_filter& f = program[at];
  const std::size_t left = program.size() - at - 1;
  if (!is_known(f.code)) return false;
  if (f.code == (BPF_LD | BPF_W | BPF_ABS)) return f.k % 4 == 0 && f.k < sizeof(seccomp_data);
  if (f.code == (BPF_JMP | BPF_JA)) return f.k < left;
  if (BPF_CLASS(f.code) == BPF_JMP) return f.jt < left && f.jf < left;
  return true;
}

}  // namespace

bool is_valid(std::span<const sock_filter> program) {
  if (program.empty() || program.size() > BPF_MAXINSNS || BPF_CLASS(program.back().code) != BPF_RET) return false;
  for (std::size_t at = 0; at < program.size(); ++at)
    if (!fits(program, at)) return false;
  return true;
}

std::uint32_t run(std::span<const sock_filter> program, const seccomp_data& data) {
  std::uint32_t a = 0;
  std::uint32_t memory[16] = {};
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& f = program[at];
    switch (f.code) {
      case BPF_LD | BPF_W | BPF_ABS: std::memcpy(&a, reinterpret_cast<const char*>(&data) + f.k, sizeof a); break;
      case BPF_LD | BPF_IMM: a = f.k; break;
      case BPF_LD | BPF_MEM: a = memory[f.k % 16]; break;
      case BPF_ST: memory[f.k % 16] = a; break;
      case BPF_ALU | BPF_AND | BPF_K: a &= f.k; break;
      case BPF_JMP | BPF_JA: at += f.k; break;
      case BPF_JMP | BPF_JEQ | BPF_K: at += a == f.k ? f.jt : f.jf; break;
      case BPF_JMP | BPF_JGE | BPF_K: at += a >= f.k ? f.jt : f.jf; break;
      case BPF_JMP | BPF_JGT | BPF_K: at += a > f.k ? f.jt : f.jf; break;
      case BPF_RET | BPF_K: return f.k;
      default: throw std::logic_error("an instruction that the machine does not know");
    }
  }
  throw std::logic_error("the program ran off its end");
}

}  // namespace slipway::tests
