// What the kernel counts → CRI's statistics of containers and pods.
#include "cri/to_proto.h"

namespace slipway::cri {
namespace {

void put_pressure_line(const cgroups::PressureLine& line, v1::PsiData* out) {
  out->set_total(line.total_usec * 1000);  // nanoseconds
  out->set_avg10(line.avg10);
  out->set_avg60(line.avg60);
  out->set_avg300(line.avg300);
}

void put_pressure(const cgroups::Pressure& pressure, v1::PsiStats* out) {
  put_pressure_line(pressure.some, out->mutable_some());
  put_pressure_line(pressure.full.value_or(cgroups::PressureLine{}), out->mutable_full());
}

void put_cpu(const cgroups::Stats& stats, UnixNanos timestamp, v1::CpuUsage* out) {
  out->set_timestamp(timestamp);
  out->mutable_usage_core_nano_seconds()->set_value(stats.cpu.usage_usec * 1000);  // usage_nano_cores stays unset: the kubelet computes it
  if (stats.cpu_pressure) put_pressure(*stats.cpu_pressure, out->mutable_psi());
}

void put_counts(const cgroups::Memory& memory, v1::MemoryUsage* out) {
  const bool limited = memory.max != cgroups::kNoLimit && memory.max > memory.working_set();
  out->mutable_working_set_bytes()->set_value(memory.working_set());
  out->mutable_available_bytes()->set_value(limited ? memory.max - memory.working_set() : 0);
  out->mutable_usage_bytes()->set_value(memory.current);
  out->mutable_rss_bytes()->set_value(memory.stat.anon);
  out->mutable_page_faults()->set_value(memory.stat.pgfault);
  out->mutable_major_page_faults()->set_value(memory.stat.pgmajfault);
}

// Where there is no memory controller its numbers stay unset: unknown is not 0.
void put_memory(const cgroups::Stats& stats, UnixNanos timestamp, v1::MemoryUsage* out) {
  out->set_timestamp(timestamp);
  if (stats.memory) put_counts(*stats.memory, out);
  if (stats.memory_pressure) put_pressure(*stats.memory_pressure, out->mutable_psi());
}

void put_swap(const cgroups::Stats& stats, UnixNanos timestamp, v1::SwapUsage* out) {
  out->set_timestamp(timestamp);
  if (!stats.memory || !stats.memory->swap_current) return;
  const cgroups::Memory& memory = *stats.memory;
  const std::uint64_t used = *memory.swap_current;
  const std::uint64_t max = memory.swap_max.value_or(cgroups::kNoLimit);
  out->mutable_swap_usage_bytes()->set_value(used);
  out->mutable_swap_available_bytes()->set_value(max != cgroups::kNoLimit && max > used ? max - used : 0);
}

void put_io(const cgroups::Stats& stats, UnixNanos timestamp, v1::IoUsage* out) {
  out->set_timestamp(timestamp);
  if (stats.io_pressure) put_pressure(*stats.io_pressure, out->mutable_psi());
}

void put_link(const sys::LinkCounters& link, v1::NetworkInterfaceUsage* out) {
  out->set_name(link.name);
  out->mutable_rx_bytes()->set_value(link.rx_bytes);
  out->mutable_rx_errors()->set_value(link.rx_errors);
  out->mutable_tx_bytes()->set_value(link.tx_bytes);
  out->mutable_tx_errors()->set_value(link.tx_errors);
}

// The default one is CNI's eth0; without it the first there is.
void put_network(const std::vector<sys::LinkCounters>& links, UnixNanos timestamp, v1::NetworkUsage* out) {
  out->set_timestamp(timestamp);
  const sys::LinkCounters* first = &links.front();
  for (const auto& link : links) {
    put_link(link, out->add_interfaces());
    if (link.name == "eth0") first = &link;
  }
  put_link(*first, out->mutable_default_interface());
}

}  // namespace

v1::ContainerStats to_stats(const engine::ContainerUsage& usage) {
  v1::ContainerStats out;
  const engine::ContainerRecord& container = usage.container;
  auto* attributes = out.mutable_attributes();
  attributes->set_id(container.id);
  *attributes->mutable_metadata() = to_metadata(container.spec.metadata);
  attributes->mutable_labels()->insert(container.spec.labels.begin(), container.spec.labels.end());
  attributes->mutable_annotations()->insert(container.spec.annotations.begin(), container.spec.annotations.end());
  put_cpu(usage.cgroup, usage.timestamp, out.mutable_cpu());
  put_memory(usage.cgroup, usage.timestamp, out.mutable_memory());
  put_swap(usage.cgroup, usage.timestamp, out.mutable_swap());
  put_io(usage.cgroup, usage.timestamp, out.mutable_io());
  if (usage.writable_layer.timestamp > 0) *out.mutable_writable_layer() = to_proto(usage.writable_layer);
  return out;
}

v1::PodSandboxStats to_stats(const engine::PodUsage& usage) {
  v1::PodSandboxStats out;
  const engine::PodRecord& pod = usage.pod;
  auto* attributes = out.mutable_attributes();
  attributes->set_id(pod.id);
  *attributes->mutable_metadata() = to_metadata(pod.spec.metadata);
  attributes->mutable_labels()->insert(pod.spec.labels.begin(), pod.spec.labels.end());
  attributes->mutable_annotations()->insert(pod.spec.annotations.begin(), pod.spec.annotations.end());
  auto* linux = out.mutable_linux();
  put_cpu(usage.cgroup, usage.timestamp, linux->mutable_cpu());
  put_memory(usage.cgroup, usage.timestamp, linux->mutable_memory());
  put_io(usage.cgroup, usage.timestamp, linux->mutable_io());
  if (!usage.links.empty()) put_network(usage.links, usage.timestamp, linux->mutable_network());
  linux->mutable_process()->set_timestamp(usage.timestamp);
  linux->mutable_process()->mutable_process_count()->set_value(usage.processes);
  for (const auto& container : usage.containers) *linux->add_containers() = to_stats(container);
  return out;
}

}  // namespace slipway::cri
