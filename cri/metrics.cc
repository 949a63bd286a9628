// The table of metrics.
#include "cri/metrics.h"

#include <array>
#include <functional>

#include "base/format.h"
#include "cri/to_proto.h"

namespace slipway::cri {
namespace {

using Values = std::vector<std::string>;  // of a metric's own labels
using Emit = std::function<void(std::uint64_t, Values)>;

constexpr const char* kCommonKeys[] = {"container", "id", "image", "name", "namespace", "pod"};

// A cgroup's readings, of a pod's or a container's.
struct Reading {
  const cgroups::Stats& cgroup;
  std::uint64_t processes;
  const engine::OpenFiles& files;
  const engine::TaskStates& tasks;
  const engine::ContainerUsage* container;  // null: the pod
  UnixNanos timestamp;
  cgroups::Memory memory;  // zeros where the controller is off
};

constexpr std::uint64_t limit_or_zero(std::uint64_t limit) {
  return limit == cgroups::kNoLimit ? 0 : limit;
}
constexpr std::uint64_t positive(std::int64_t value) {
  return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}
constexpr std::uint64_t seconds(std::uint64_t usec) {
  return usec / 1'000'000;
}
constexpr std::uint64_t seconds_of(UnixNanos time) {
  return positive(time / 1'000'000'000);
}

struct Family {
  const char* name;
  const char* help;
  v1::MetricType type;
  std::array<const char*, 4> keys;  // null: no more
  void (*read)(const Reading&, const Emit&);
};

void each_device(const Reading& r, const Emit& emit, std::uint64_t cgroups::IoDevice::*count) {
  for (const auto& device : r.cgroup.io) emit(device.*count, {device.name});
}

void pressure_of(const std::optional<cgroups::Pressure>& pressure, bool full, const Emit& emit) {
  if (!pressure) return;
  if (!full) emit(seconds(pressure->some.total_usec), {});
  if (full && pressure->full) emit(seconds(pressure->full->total_usec), {});
}

void memory_failures(const Reading& r, const Emit& emit) {
  for (const char* scope : {"container", "hierarchy"}) {
    emit(r.memory.stat.pgfault, {"pgfault", scope});
    emit(r.memory.stat.pgmajfault, {"pgmajfault", scope});
  }
}

void device_usage(const Reading& r, const Emit& emit) {
  for (const auto& d : r.cgroup.io) {
    const std::string major = std::to_string(d.major), minor = std::to_string(d.minor);
    emit(d.rbytes, {d.name, major, minor, "Read"});
    emit(d.wbytes, {d.name, major, minor, "Write"});
  }
}

// Of a container's writable layer, by where it is mounted.
void of_layer(const Reading& r, const Emit& emit, std::uint64_t engine::FsUsage::*count) {
  if (r.container == nullptr || r.container->writable_layer.timestamp == 0) return;
  emit(r.container->writable_layer.*count, {r.container->writable_layer.mountpoint});
}

// cgroup v2 does not tell apart who of them waits for I/O: those are uninterruptible.
void task_states(const Reading& r, const Emit& emit) {
  emit(r.tasks.sleeping, {"sleeping"});
  emit(r.tasks.running, {"running"});
  emit(r.tasks.stopped, {"stopped"});
  emit(r.tasks.uninterruptible, {"uninterruptible"});
}

// Only a container has resources of its own; nothing is said of pods.
template <class Read>
void of_resources(const Reading& r, const Emit& emit, Read read) {
  if (r.container != nullptr) emit(read(r.container->container.resources), {});
}

using R = const Reading&;
using E = const Emit&;
constexpr Family kFamilies[] = {
    {"container_cpu_usage_seconds_total",
     "Cumulative cpu time consumed in seconds",
     v1::COUNTER,
     {"cpu"},
     [](R r, E e) { e(seconds(r.cgroup.cpu.usage_usec), {"total"}); }},
    {"container_cpu_user_seconds_total",
     "Cumulative user cpu time consumed in seconds",
     v1::COUNTER,
     {},
     [](R r, E e) { e(seconds(r.cgroup.cpu.user_usec), {}); }},
    {"container_cpu_system_seconds_total",
     "Cumulative system cpu time consumed in seconds",
     v1::COUNTER,
     {},
     [](R r, E e) { e(seconds(r.cgroup.cpu.system_usec), {}); }},
    {"container_cpu_cfs_periods_total",
     "Number of elapsed enforcement period intervals",
     v1::COUNTER,
     {},
     [](R r, E e) { e(r.cgroup.cpu.nr_periods, {}); }},
    {"container_cpu_cfs_throttled_periods_total",
     "Number of throttled period intervals",
     v1::COUNTER,
     {},
     [](R r, E e) { e(r.cgroup.cpu.nr_throttled, {}); }},
    {"container_cpu_cfs_throttled_seconds_total",
     "Total time duration the container has been throttled",
     v1::COUNTER,
     {},
     [](R r, E e) { e(seconds(r.cgroup.cpu.throttled_usec), {}); }},
    {"container_pressure_cpu_waiting_seconds_total",
     "Total time duration tasks in the container have waited due to CPU congestion",
     v1::COUNTER,
     {},
     [](R r, E e) { pressure_of(r.cgroup.cpu_pressure, false, e); }},
    {"container_pressure_cpu_stalled_seconds_total",
     "Total time duration no tasks in the container could make progress due to CPU congestion",
     v1::COUNTER,
     {},
     [](R r, E e) { pressure_of(r.cgroup.cpu_pressure, true, e); }},
    {"container_memory_cache", "Number of bytes of page cache memory", v1::GAUGE, {}, [](R r, E e) { e(r.memory.stat.file, {}); }},
    {"container_memory_rss", "Size of RSS in bytes", v1::GAUGE, {}, [](R r, E e) { e(r.memory.stat.anon, {}); }},
    {"container_memory_kernel_usage",
     "Size of kernel memory allocated in bytes",
     v1::GAUGE,
     {},
     [](R r, E e) { e(r.memory.stat.kernel, {}); }},
    {"container_memory_mapped_file",
     "Size of memory mapped files in bytes",
     v1::GAUGE,
     {},
     [](R r, E e) { e(r.memory.stat.file_mapped, {}); }},
    {"container_memory_swap", "Container swap usage in bytes", v1::GAUGE, {}, [](R r, E e) { e(r.memory.swap_current.value_or(0), {}); }},
    {"container_memory_failcnt", "Number of memory usage hits limits", v1::COUNTER, {}, [](R r, E e) { e(r.memory.events.max, {}); }},
    {"container_memory_usage_bytes",
     "Current memory usage in bytes, including all memory regardless of when it was accessed",
     v1::GAUGE,
     {},
     [](R r, E e) { e(r.memory.current, {}); }},
    {"container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes", v1::GAUGE, {}, [](R r, E e) { e(r.memory.peak, {}); }},
    {"container_memory_working_set_bytes", "Current working set in bytes", v1::GAUGE, {}, [](R r, E e) { e(r.memory.working_set(), {}); }},
    {"container_memory_total_active_file_bytes",
     "Current total active file in bytes",
     v1::GAUGE,
     {},
     [](R r, E e) { e(r.memory.stat.active_file, {}); }},
    {"container_memory_total_inactive_file_bytes",
     "Current total inactive file in bytes",
     v1::GAUGE,
     {},
     [](R r, E e) { e(r.memory.stat.inactive_file, {}); }},
    {"container_memory_failures_total",
     "Cumulative count of memory allocation failures",
     v1::COUNTER,
     {"failure_type", "scope"},
     memory_failures},
    {"container_oom_events_total",
     "Count of out of memory events observed for the container",
     v1::COUNTER,
     {},
     [](R r, E e) { e(r.memory.events.oom_kill, {}); }},
    {"container_pressure_memory_waiting_seconds_total",
     "Total time duration tasks in the container have waited due to memory congestion",
     v1::COUNTER,
     {},
     [](R r, E e) { pressure_of(r.cgroup.memory_pressure, false, e); }},
    {"container_pressure_memory_stalled_seconds_total",
     "Total time duration no tasks in the container could make progress due to memory congestion",
     v1::COUNTER,
     {},
     [](R r, E e) { pressure_of(r.cgroup.memory_pressure, true, e); }},
    {"container_hugetlb_usage_bytes",
     "Current hugepage usage in bytes",
     v1::GAUGE,
     {"pagesize"},
     [](R r, E e) {
       for (const auto& h : r.cgroup.hugetlb) e(h.current, {h.page_size});
     }},
    {"container_hugetlb_failcnt",
     "Number of hugepage usage hits limits",
     v1::COUNTER,
     {"pagesize"},
     [](R r, E e) {
       for (const auto& h : r.cgroup.hugetlb) e(h.failures, {h.page_size});
     }},
    {"container_blkio_device_usage_total",
     "Blkio device bytes usage",
     v1::COUNTER,
     {"device", "major", "minor", "operation"},
     device_usage},
    {"container_fs_reads_bytes_total",
     "Cumulative count of bytes read",
     v1::COUNTER,
     {"device"},
     [](R r, E e) { each_device(r, e, &cgroups::IoDevice::rbytes); }},
    {"container_fs_reads_total",
     "Cumulative count of reads completed",
     v1::COUNTER,
     {"device"},
     [](R r, E e) { each_device(r, e, &cgroups::IoDevice::rios); }},
    {"container_fs_writes_bytes_total",
     "Cumulative count of bytes written",
     v1::COUNTER,
     {"device"},
     [](R r, E e) { each_device(r, e, &cgroups::IoDevice::wbytes); }},
    {"container_fs_writes_total",
     "Cumulative count of writes completed",
     v1::COUNTER,
     {"device"},
     [](R r, E e) { each_device(r, e, &cgroups::IoDevice::wios); }},
    {"container_fs_usage_bytes",
     "Number of bytes that are consumed by the container on this filesystem",
     v1::GAUGE,
     {"device"},
     [](R r, E e) { of_layer(r, e, &engine::FsUsage::used_bytes); }},
    {"container_fs_limit_bytes",
     "Number of bytes that can be consumed by the container on this filesystem",
     v1::GAUGE,
     {"device"},
     [](R r, E e) { of_layer(r, e, &engine::FsUsage::limit_bytes); }},
    {"container_fs_inodes_total",
     "Number of inodes of this filesystem",
     v1::GAUGE,
     {"device"},
     [](R r, E e) { of_layer(r, e, &engine::FsUsage::inodes_total); }},
    {"container_fs_inodes_free",
     "Number of inodes of this filesystem that are free",
     v1::GAUGE,
     {"device"},
     [](R r, E e) { of_layer(r, e, &engine::FsUsage::inodes_free); }},
    {"container_pressure_io_waiting_seconds_total",
     "Total time duration tasks in the container have waited due to IO congestion",
     v1::COUNTER,
     {},
     [](R r, E e) { pressure_of(r.cgroup.io_pressure, false, e); }},
    {"container_pressure_io_stalled_seconds_total",
     "Total time duration no tasks in the container could make progress due to IO congestion",
     v1::COUNTER,
     {},
     [](R r, E e) { pressure_of(r.cgroup.io_pressure, true, e); }},
    {"container_processes", "Number of processes running inside the container", v1::GAUGE, {}, [](R r, E e) { e(r.processes, {}); }},
    {"container_file_descriptors",
     "Number of open file descriptors of the container's processes",
     v1::GAUGE,
     {},
     [](R r, E e) { e(r.files.descriptors, {}); }},
    {"container_sockets", "Number of open sockets of the container's processes", v1::GAUGE, {}, [](R r, E e) { e(r.files.sockets, {}); }},
    {"container_threads",
     "Number of threads running inside the container",
     v1::GAUGE,
     {},
     [](R r, E e) {
       if (r.cgroup.pids) e(r.cgroup.pids->current, {});
     }},
    {"container_threads_max",
     "Maximum number of threads allowed inside the container, infinity if value is zero",
     v1::GAUGE,
     {},
     [](R r, E e) {
       if (r.cgroup.pids) e(limit_or_zero(r.cgroup.pids->max), {});
     }},
    {"container_tasks_state", "Number of tasks in given state", v1::GAUGE, {"state"}, task_states},
    {"container_ulimits_soft",
     "Soft ulimit values for the container root process",
     v1::GAUGE,
     {"ulimit"},
     [](R r, E e) {
       if (r.container != nullptr && r.container->open_files_limit) e(*r.container->open_files_limit, {"max_open_files"});
     }},
    {"container_last_seen",
     "Last time a container was seen by the exporter",
     v1::GAUGE,
     {},
     [](R r, E e) { e(seconds_of(r.timestamp), {}); }},
    {"container_start_time_seconds",
     "Start time of the container since unix epoch in seconds",
     v1::GAUGE,
     {},
     [](R r, E e) {
       if (r.container != nullptr) e(seconds_of(r.container->container.started_at), {});
     }},
    {"container_spec_cpu_period",
     "CPU period of the container",
     v1::GAUGE,
     {},
     [](R r, E e) { of_resources(r, e, [](const auto& limits) { return positive(limits.cpu_period); }); }},
    {"container_spec_cpu_quota",
     "CPU quota of the container",
     v1::GAUGE,
     {},
     [](R r, E e) { of_resources(r, e, [](const auto& limits) { return positive(limits.cpu_quota); }); }},
    {"container_spec_cpu_shares",
     "CPU share of the container",
     v1::GAUGE,
     {},
     [](R r, E e) { of_resources(r, e, [](const auto& limits) { return positive(limits.cpu_shares); }); }},
    {"container_spec_memory_limit_bytes",
     "Memory limit for the container",
     v1::GAUGE,
     {},
     [](R r, E e) { of_resources(r, e, [](const auto& limits) { return positive(limits.memory_limit_in_bytes); }); }},
    {"container_spec_memory_reservation_limit_bytes",
     "Memory reservation limit for the container",
     v1::GAUGE,
     {},
     [](R r, E e) {
       if (r.container != nullptr) e(limit_or_zero(r.memory.min), {});
     }},
    {"container_spec_memory_swap_limit_bytes",
     "Memory swap limit for the container",
     v1::GAUGE,
     {},
     [](R r, E e) { of_resources(r, e, [](const auto& limits) { return positive(limits.memory_swap_limit_in_bytes); }); }},
};

// Of the pod alone, one value an interface.
struct LinkFamily {
  const char* name;
  const char* help;
  std::uint64_t sys::LinkCounters::*count;
};
constexpr LinkFamily kLinkFamilies[] = {
    {"container_network_receive_bytes_total", "Cumulative count of bytes received", &sys::LinkCounters::rx_bytes},
    {"container_network_receive_packets_total", "Cumulative count of packets received", &sys::LinkCounters::rx_packets},
    {"container_network_receive_packets_dropped_total", "Cumulative count of packets dropped while receiving",
     &sys::LinkCounters::rx_dropped},
    {"container_network_receive_errors_total", "Cumulative count of errors encountered while receiving", &sys::LinkCounters::rx_errors},
    {"container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", &sys::LinkCounters::tx_bytes},
    {"container_network_transmit_packets_total", "Cumulative count of packets transmitted", &sys::LinkCounters::tx_packets},
    {"container_network_transmit_packets_dropped_total", "Cumulative count of packets dropped while transmitting",
     &sys::LinkCounters::tx_dropped},
    {"container_network_transmit_errors_total", "Cumulative count of errors encountered while transmitting", &sys::LinkCounters::tx_errors},
};

void describe(const char* name, const char* help, const std::array<const char*, 4>& keys, v1::ListMetricDescriptorsResponse& out) {
  auto* descriptor = out.add_descriptors();
  descriptor->set_name(name);
  descriptor->set_help(help);
  for (const char* key : kCommonKeys) descriptor->add_label_keys(key);
  for (const char* key : keys)
    if (key != nullptr) descriptor->add_label_keys(key);
}

// In the order of kCommonKeys.
using Common = std::array<std::string, std::size(kCommonKeys)>;

std::string rooted(const std::string& cgroup) {
  return cgroup.starts_with('/') ? cgroup : "/" + cgroup;
}

Common common_of(const engine::PodRecord& pod) {
  return {"", rooted(pod.cgroup), "", "", pod.spec.metadata.namespace_, pod.spec.metadata.name};
}

Common common_of(const engine::PodRecord& pod, const engine::ContainerRecord& container) {
  return {container.spec.metadata.name, rooted(container.cgroup), written_image(container.spec), container.id,
          pod.spec.metadata.namespace_, pod.spec.metadata.name};
}

void put(const char* name, v1::MetricType type, UnixNanos timestamp, const Common& common, const Values& own, std::uint64_t value,
         v1::Metric* out) {
  out->set_name(name);
  out->set_timestamp(timestamp);
  out->set_metric_type(type);
  for (const auto& text : common) out->add_label_values(text);
  for (const auto& text : own) out->add_label_values(text);
  out->mutable_value()->set_value(value);
}

// `out` has add_metrics().
template <class Message>
void put_cgroup(const Reading& reading, const Common& common, Message* out) {
  for (const Family& family : kFamilies)
    family.read(reading, [&](std::uint64_t value, const Values& own) {
      put(family.name, family.type, reading.timestamp, common, own, value, out->add_metrics());
    });
}

}  // namespace

v1::ListMetricDescriptorsResponse metric_descriptors() {
  v1::ListMetricDescriptorsResponse out;
  for (const Family& family : kFamilies) describe(family.name, family.help, family.keys, out);
  for (const LinkFamily& family : kLinkFamilies) describe(family.name, family.help, {"interface"}, out);
  return out;
}

v1::PodSandboxMetrics to_metrics(const engine::PodUsage& usage) {
  v1::PodSandboxMetrics out;
  out.set_pod_sandbox_id(usage.pod.id);
  const Common common = common_of(usage.pod);
  const cgroups::Memory nothing;
  put_cgroup({usage.cgroup, usage.processes, usage.files, usage.tasks, nullptr, usage.timestamp, usage.cgroup.memory.value_or(nothing)},
             common, &out);
  for (const LinkFamily& family : kLinkFamilies)
    for (const auto& link : usage.links)
      put(family.name, v1::COUNTER, usage.timestamp, common, {link.name}, link.*family.count, out.add_metrics());
  for (const auto& container : usage.containers) {
    auto* of_container = out.add_container_metrics();
    of_container->set_container_id(container.container.id);
    put_cgroup({container.cgroup, container.processes, container.files, container.tasks, &container, container.timestamp,
                container.cgroup.memory.value_or(nothing)},
               common_of(usage.pod, container.container), of_container);
  }
  return out;
}

}  // namespace slipway::cri
