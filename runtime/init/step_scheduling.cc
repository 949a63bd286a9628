// How the kernel runs the process: scheduler, I/O priority, CPUs, personality, memory policy.
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

constexpr int kIoProcess = 1;  // IOPRIO_WHO_PROCESS
constexpr unsigned long kBits = 8 * sizeof(unsigned long);

Failure set_priorities(const Scheduling& wanted) noexcept {
  if (wanted.scheduler && ::syscall(SYS_sched_setattr, 0, &wanted.attributes, 0) != 0) return failed(Step::scheduler);
  if (wanted.io_priority >= 0 && ::syscall(SYS_ioprio_set, kIoProcess, 0, wanted.io_priority) != 0) return failed(Step::io_priority);
  return {};
}

}  // namespace

Failure schedule_early(const InitPlan& plan, Progress&) noexcept {
  return plan.scheduling.early ? set_priorities(plan.scheduling) : Failure{};
}

Failure schedule(const InitPlan& plan, Progress&) noexcept {
  const Scheduling& wanted = plan.scheduling;
  if (!wanted.wanted) return {};
  if (!wanted.affinity.empty()) {
    // By number, past libc, whose wrapper knows masks of one size only.
    if (::syscall(SYS_sched_setaffinity, 0, wanted.affinity.size * sizeof(unsigned long), wanted.affinity.data) != 0)
      return failed(Step::affinity);
  }
  if (!wanted.early) {
    const Failure failure = set_priorities(wanted);
    if (failure.step != Step::none) return failure;
  }
  if (wanted.memory_mode >= 0) {
    // The kernel reads one bit less than it is told.
    const unsigned long bits = wanted.memory_nodes.empty() ? 0 : wanted.memory_nodes.size * kBits + 1;
    if (::syscall(SYS_set_mempolicy, wanted.memory_mode, wanted.memory_nodes.data, bits) != 0) return failed(Step::memory_policy);
  }
  if (wanted.personality >= 0 && ::syscall(SYS_personality, wanted.personality) < 0) return failed(Step::personality);
  return {};
}

}  // namespace slipway::runtime::init
