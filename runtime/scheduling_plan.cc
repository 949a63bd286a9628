// Scheduling by table.
#include "runtime/scheduling_plan.h"

#include <charconv>
#include <span>
#include <string_view>

namespace slipway::runtime {
namespace {

constexpr std::size_t kBits = 8 * sizeof(unsigned long);
constexpr unsigned kMostNumbers = 8192;  // CONFIG_NR_CPUS of the largest kernels

struct Name {
  std::string_view name;
  std::uint32_t value;
};

constexpr std::uint32_t kDeadline = 6, kResetOnFork = 1;
constexpr Name kPolicies[] = {{"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2},
                              {"SCHED_BATCH", 3}, {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", kDeadline}};
constexpr Name kSchedulerFlags[] = {{"SCHED_FLAG_RESET_ON_FORK", kResetOnFork},
                                    {"SCHED_FLAG_RECLAIM", 2},
                                    {"SCHED_FLAG_DL_OVERRUN", 4},
                                    {"SCHED_FLAG_KEEP_POLICY", 8},
                                    {"SCHED_FLAG_KEEP_PARAMS", 0x10},
                                    {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
                                    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40}};
constexpr Name kIoClasses[] = {{"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
constexpr Name kDomains[] = {{"LINUX", 0}, {"LINUX32", 8}};
constexpr Name kMemoryModes[] = {
    {"MPOL_DEFAULT", 0},        {"MPOL_PREFERRED", 1},          {"MPOL_BIND", 2}, {"MPOL_INTERLEAVE", 3}, {"MPOL_LOCAL", 4},
    {"MPOL_PREFERRED_MANY", 5}, {"MPOL_WEIGHTED_INTERLEAVE", 6}};
constexpr Name kMemoryFlags[] = {
    {"MPOL_F_STATIC_NODES", 1U << 15}, {"MPOL_F_RELATIVE_NODES", 1U << 14}, {"MPOL_F_NUMA_BALANCING", 1U << 13}};

Result<std::uint32_t> value_of(std::span<const Name> names, const std::string& field, std::string_view name) {
  for (const Name& known : names) {
    if (known.name == name) return known.value;
  }
  return fail(Code::invalid_argument, "{}: '{}' is not known", field, name);
}

Result<std::uint32_t> flags_of(std::span<const Name> names, const std::string& field, const std::vector<std::string>& flags) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    TRY_ASSIGN(const std::uint32_t flag, value_of(names, fmt::format("{}[{}]", field, i), flags[i]));
    out |= flag;
  }
  return out;
}

Result<void> plan_scheduler(const oci::Scheduler& asked, init::Scheduling& out) {
  init::SchedulerAttributes& attributes = out.attributes;
  TRY_ASSIGN(attributes.policy, value_of(kPolicies, "process.scheduler.policy", asked.policy));
  TRY_ASSIGN(attributes.flags, flags_of(kSchedulerFlags, "process.scheduler.flags", asked.flags));
  if (asked.nice < -20 || asked.nice > 19)
    return fail(Code::invalid_argument, "process.scheduler.nice: {} is not from -20 to 19", asked.nice);
  if (asked.priority < 0 || asked.priority > 99)
    return fail(Code::invalid_argument, "process.scheduler.priority: {} is not from 0 to 99", asked.priority);
  attributes.nice = asked.nice;
  attributes.priority = static_cast<std::uint32_t>(asked.priority);
  attributes.runtime = asked.runtime;
  attributes.deadline = asked.deadline;
  attributes.period = asked.period;
  out.scheduler = true;
  return {};
}

Result<void> plan_io_priority(const oci::IoPriority& asked, init::Scheduling& out) {
  constexpr int kClassShift = 13;
  TRY_ASSIGN(const std::uint32_t io_class, value_of(kIoClasses, "process.ioPriority.class", asked.io_class));
  if (asked.priority < 0 || asked.priority > 7)
    return fail(Code::invalid_argument, "process.ioPriority.priority: {} is not from 0 to 7", asked.priority);
  out.io_priority = static_cast<int>(io_class << kClassShift) | asked.priority;
  return {};
}

Result<void> plan_memory_policy(const oci::MemoryPolicy& asked, LaunchPlan& plan) {
  TRY_ASSIGN(const std::uint32_t mode, value_of(kMemoryModes, "linux.memoryPolicy.mode", asked.mode));
  TRY_ASSIGN(const std::uint32_t flags, flags_of(kMemoryFlags, "linux.memoryPolicy.flags", asked.flags));
  if (!asked.nodes.empty()) {
    TRY_ASSIGN(plan.memory_nodes, parse_number_list("linux.memoryPolicy.nodes", asked.nodes));
  }
  plan.init.scheduling.memory_mode = static_cast<int>(mode | flags);
  return {};
}

}  // namespace

Result<std::vector<unsigned long>> parse_number_list(const std::string& field, const std::string& text) {
  std::vector<unsigned long> mask;
  const char* p = text.data();
  const char* const end = p + text.size();
  const auto number = [&](unsigned* out) {
    const auto [next, error] = std::from_chars(p, end, *out);
    const bool good = error == std::errc{} && *out < kMostNumbers;
    p = next;
    return good;
  };
  for (;;) {
    unsigned first = 0;
    bool good = number(&first);
    unsigned last = first;
    if (good && p != end && *p == '-') {
      ++p;
      good = number(&last) && last >= first;
    }
    if (!good || (p != end && *p != ',')) return fail(Code::invalid_argument, "{}: '{}' is not a list like '0-3,7'", field, text);
    if (mask.size() <= last / kBits) mask.resize(last / kBits + 1);
    for (unsigned n = first; n <= last; ++n) mask[n / kBits] |= 1UL << (n % kBits);
    if (p == end) return mask;
    ++p;
  }
}

Result<void> plan_scheduling(const oci::Process& process, const oci::Linux& linux_, LaunchPlan& plan) {
  init::Scheduling& out = plan.init.scheduling;
  if (process.scheduler) TRY(plan_scheduler(*process.scheduler, out));
  if (process.io_priority) TRY(plan_io_priority(*process.io_priority, out));
  if (linux_.memory_policy) TRY(plan_memory_policy(*linux_.memory_policy, plan));
  if (linux_.personality) {
    TRY_ASSIGN(out.personality, value_of(kDomains, "linux.personality.domain", linux_.personality->domain));
    if (!linux_.personality->flags.empty())
      return fail(Code::invalid_argument, "linux.personality.flags: '{}' is not known: the specification has none yet",
                  linux_.personality->flags[0]);
  }
  out.wanted = out.scheduler || out.io_priority >= 0 || out.personality >= 0 || out.memory_mode >= 0 || !plan.affinity.empty();
  // What must not go on to a child is set in the container's process itself.
  const bool inherited = out.attributes.policy != kDeadline && (out.attributes.flags & kResetOnFork) == 0;
  out.early = plan.init.user_namespace >= 0 && inherited;
  return {};
}

}  // namespace slipway::runtime
