// Our own segments, as init maps over them.
#include "runtime/seal_plan.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>

namespace slipway::runtime {
namespace {

constexpr std::uintptr_t kPage = 4096;

std::uintptr_t page_of(std::uintptr_t address) {
  return address & ~(kPage - 1);
}
std::uintptr_t page_after(std::uintptr_t address) {
  return page_of(address + kPage - 1);
}
std::uintptr_t address(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p);
}

// What the kernel mapped of the file, by the program headers that it gave us.
std::span<const Elf64_Phdr> program_headers() {
  const auto* first = reinterpret_cast<const Elf64_Phdr*>(::getauxval(AT_PHDR));  // NOLINT(performance-no-int-to-ptr)
  return {first, first == nullptr ? 0 : ::getauxval(AT_PHNUM)};
}

// Only a static program at its linked addresses: others have a loader, or lie elsewhere.
bool is_static() {
  const auto headers = program_headers();
  const auto moves = [](const Elf64_Phdr& h) { return h.p_type == PT_INTERP || h.p_type == PT_DYNAMIC; };
  return !headers.empty() && ::getauxval(AT_PHENT) == sizeof(Elf64_Phdr) && std::ranges::none_of(headers, moves) &&
         static_cast<std::size_t>(std::ranges::count(headers, Elf64_Word{PT_LOAD}, &Elf64_Phdr::p_type)) <= init::kMostSegments &&
         ::getauxval(AT_PAGESZ) == kPage;
}

// The strings of a vector of the first stack lie one after another: where the last one ends.
std::uintptr_t end_of(char* const* strings) {
  if (*strings == nullptr) return address(strings);
  while (strings[1] != nullptr) ++strings;
  return address(*strings) + std::strlen(*strings) + 1;
}

void add_segment(const Elf64_Phdr& header, init::SealPlan& plan) {
  init::Segment& out = plan.segments[plan.count++];
  out.begin = page_of(header.p_vaddr);
  out.size = page_after(header.p_vaddr + header.p_filesz) - out.begin;
  out.offset = page_of(header.p_offset);
  out.executable = (header.p_flags & PF_X) != 0;
  out.writable = (header.p_flags & PF_W) != 0;
  prctl_mm_map& map = plan.map;
  if (out.executable) {
    map.start_code = header.p_vaddr;
    map.end_code = header.p_vaddr + header.p_filesz;
  }
  if (out.writable) {
    map.start_data = header.p_vaddr;
    map.end_data = header.p_vaddr + header.p_filesz;
  }
}

// The kernel keeps these for /proc/PID/cmdline, environ and stat, and wants them told again with the link. Only where the heap began is not
// known here, a random distance behind the program; nor does init, which has none, need it. Said to begin where it ends, it is no size that
// a limit (RLIMIT_DATA) would be held against.
void tell_memory(const Seal& seal, prctl_mm_map& map) {
  map.brk = address(::sbrk(0));
  map.start_brk = map.brk;
  map.start_stack = address(seal.argv - 1);
  map.arg_start = address(seal.argv[0]);
  map.arg_end = end_of(seal.argv);
  map.env_start = environ[0] == nullptr ? map.arg_end : address(environ[0]);
  map.env_end = environ[0] == nullptr ? map.arg_end : end_of(environ);
  map.exe_fd = static_cast<__u32>(seal.file.get());
}

}  // namespace

bool can_seal_init() {
  unsigned size = 0;
  return is_static() && ::prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) == 0 && size == sizeof(prctl_mm_map);
}

init::SealPlan seal_plan(const Seal& seal) {
  init::SealPlan plan;
  plan.fd = seal.file.get();
  for (const Elf64_Phdr& header : program_headers()) {
    if (header.p_type == PT_LOAD && header.p_filesz > 0) add_segment(header, plan);
  }
  tell_memory(seal, plan.map);
  return plan;
}

}  // namespace slipway::runtime
