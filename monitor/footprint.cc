// The heap's settings and the program's pages.
#include "monitor/footprint.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace slipway::monitor {
namespace {

int drop_segments(dl_phdr_info* info, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    // Never a writable one: its changed pages are nowhere else.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (info->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    const std::uintptr_t end = (info->dlpi_addr + segment.p_vaddr + segment.p_memsz) & ~(page - 1);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells numbers
    if (end > begin) (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void set_up_small_heap() {
  (void)::mallopt(M_TOP_PAD, 0);
  (void)::mallopt(M_TRIM_THRESHOLD, 16 * 1024);
}

void stay_small() {
  (void)::malloc_trim(0);
}

void drop_code_pages() {
  (void)::dl_iterate_phdr(drop_segments, nullptr);
}

}  // namespace slipway::monitor
