// ContainerStats: cgroup v2 readings of one running container, in CRI's terms.
#include "engine/op/ops.h"

namespace slipway::engine {
namespace {

void fill_memory(ContainerStats& stats, const cgroups::Memory& memory) {
  stats.memory_usage = memory.current;
  stats.memory_working_set = memory.working_set();
  stats.memory_rss = memory.stat.anon;
  stats.page_faults = memory.stat.pgfault;
  stats.major_page_faults = memory.stat.pgmajfault;
  if (memory.max != cgroups::kNoLimit && memory.max > stats.memory_working_set)
    stats.memory_available = memory.max - stats.memory_working_set;
  stats.swap_usage = memory.swap_current.value_or(0);
  const std::uint64_t swap_max = memory.swap_max.value_or(cgroups::kNoLimit);
  if (swap_max != cgroups::kNoLimit && swap_max > stats.swap_usage) stats.swap_available = swap_max - stats.swap_usage;
}

}  // namespace

Result<ContainerStats> container_stats(Context& context, const std::string& id) {
  const auto record = context.store->container(id);
  if (!record) return fail(Code::not_found, "there is no container '{}'", id);
  if (record->state != ContainerState::running) return fail(Code::failed_precondition, "stats of container '{}': it is not running", id);
  auto read = context.cgroups->stats(record->cgroup);
  if (!read.ok()) return std::move(read).error().within("stats of container '{}'", id);
  ContainerStats stats;
  stats.id = id;
  stats.timestamp = now_realtime();
  stats.cpu_usage_nanos = read.value().cpu.usage_usec * 1000;
  if (read.value().memory) fill_memory(stats, *read.value().memory);
  if (auto usage = context.images->root_usage(id); usage.ok()) stats.writable_layer = usage.value();
  return stats;
}

}  // namespace slipway::engine
