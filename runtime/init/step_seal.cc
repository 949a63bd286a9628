// Off the runner's own file, whose content somebody might change through /proc/PID/exe (seal_plan.h).
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

void* at(std::uintptr_t address) noexcept {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

// The same bytes, of the same page cache.
int map_over(const Segment& segment, int file) noexcept {
  const int protection = PROT_READ | (segment.executable ? PROT_EXEC : 0);
  return ::mmap(at(segment.begin), segment.size, protection, MAP_PRIVATE | MAP_FIXED, file, static_cast<off_t>(segment.offset)) ==
                 MAP_FAILED
             ? -1
             : 0;
}

// What was written since the program began is copied aside and put in place by one call: at no moment is anything missing.
int move_over(const Segment& segment) noexcept {
  void* copy = ::mmap(nullptr, segment.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (copy == MAP_FAILED) return -1;
  ::memcpy(copy, at(segment.begin), segment.size);
  return ::mremap(copy, segment.size, segment.size, MREMAP_MAYMOVE | MREMAP_FIXED, at(segment.begin)) == MAP_FAILED ? -1 : 0;
}

}  // namespace

Failure seal(const InitPlan& plan, Progress&) noexcept {
  if (plan.seal.fd < 0) return {};
  for (std::uint32_t i = 0; i < plan.seal.count; ++i) {
    const Segment& segment = plan.seal.segments[i];
    if ((segment.writable ? move_over(segment) : map_over(segment, plan.seal.fd)) != 0) return failed(Step::seal, i);
  }
  if (::prctl(PR_SET_MM, PR_SET_MM_MAP, &plan.seal.map, sizeof plan.seal.map, 0) != 0) return failed(Step::seal, plan.seal.count);
  return {};
}

}  // namespace slipway::runtime::init
