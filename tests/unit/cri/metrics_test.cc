// Metrics: cAdvisor's names, and label values that fit the descriptors' keys.
#include "cri/metrics.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

using namespace slipway;
using namespace slipway::cri;

namespace {

engine::PodUsage usage() {
  engine::PodUsage out;
  out.pod.id = "pod-id";
  out.pod.cgroup = "kubepods/pod1/pod-id";
  out.pod.spec.metadata = {"web", "uid", "default", 0};
  out.timestamp = 7'000'000'000;
  out.cgroup.cpu.usage_usec = 3'500'000;
  out.cgroup.memory.emplace().current = 100;
  out.processes = 2;
  out.files = {40, 7};
  out.links = {{.name = "eth0", .rx_bytes = 11, .rx_dropped = 3, .tx_bytes = 22}};
  engine::ContainerUsage& container = out.containers.emplace_back();
  container.container.id = "container-id";
  container.container.cgroup = "kubepods/pod1/pod-id/container-id";
  container.container.spec.metadata.name = "server";
  container.container.spec.image = "sha256:1";
  container.container.spec.user_specified_image = "nginx:1";
  container.container.resources.cpu_shares = 512;
  container.files = {30, 5};
  container.tasks = {.sleeping = 4, .running = 1, .stopped = 2, .uninterruptible = 3};
  container.open_files_limit = 1024;
  container.cgroup.memory.emplace().min = 777;
  container.writable_layer = {9, "/var/lib/slipway/containers", 4096, 2, 1 << 30, 1000, 900};
  container.timestamp = 8'000'000'000;
  container.cgroup.pids = cgroups::Pids{5, cgroups::kNoLimit};
  container.cgroup.io = {{.name = "/dev/vda", .major = 253, .minor = 0, .rbytes = 77}};
  container.cgroup.hugetlb = {{"2MB", 4096, cgroups::kNoLimit, 6}};
  container.cgroup.cpu_pressure = cgroups::Pressure{{0, 0, 0, 9'000'000}, cgroups::PressureLine{0, 0, 0, 4'000'000}};
  return out;
}

std::map<std::string, std::vector<std::string>> keys_by_name() {
  std::map<std::string, std::vector<std::string>> out;
  const auto all = metric_descriptors();
  for (const auto& d : all.descriptors()) out[d.name()] = {d.label_keys().begin(), d.label_keys().end()};
  return out;
}

using Metrics = google::protobuf::RepeatedPtrField<v1::Metric>;

// The values of a metric by their labels' text, in the order of the keys.
std::vector<std::pair<std::vector<std::string>, std::uint64_t>> values_of(const Metrics& metrics, const std::string& name) {
  std::vector<std::pair<std::vector<std::string>, std::uint64_t>> out;
  for (const auto& metric : metrics)
    if (metric.name() == name)
      out.emplace_back(std::vector<std::string>{metric.label_values().begin(), metric.label_values().end()}, metric.value().value());
  return out;
}

}  // namespace

TEST_CASE("each metric is described once, with the labels dashboards select by", "[cri]") {
  const auto all = metric_descriptors();
  std::set<std::string> names;
  for (const auto& d : all.descriptors()) {
    CHECK(names.insert(d.name()).second);
    CHECK_FALSE(d.help().empty());
    const std::vector<std::string> keys(d.label_keys().begin(), d.label_keys().end());
    REQUIRE(keys.size() >= 6);
    CHECK(std::vector<std::string>(keys.begin(), keys.begin() + 6) ==
          std::vector<std::string>{"container", "id", "image", "name", "namespace", "pod"});
  }
  for (const char* name :
       {"container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "container_memory_rss",
        "container_network_receive_bytes_total", "container_fs_reads_bytes_total", "container_cpu_cfs_throttled_periods_total",
        "container_start_time_seconds", "container_oom_events_total", "container_pressure_memory_stalled_seconds_total"})
    CHECK(names.contains(name));
}

TEST_CASE("every value has a descriptor, and a label value for each of its keys", "[cri]") {
  const auto keys = keys_by_name();
  const auto out = to_metrics(usage());
  CHECK(out.pod_sandbox_id() == "pod-id");
  REQUIRE(out.container_metrics_size() == 1);
  std::set<std::string> seen;
  const auto check = [&](const Metrics& metrics) {
    for (const auto& metric : metrics) {
      REQUIRE(keys.contains(metric.name()));
      CHECK(static_cast<std::size_t>(metric.label_values_size()) == keys.at(metric.name()).size());
      CHECK(metric.timestamp() > 0);
      seen.insert(metric.name());
    }
  };
  check(out.metrics());
  check(out.container_metrics(0).metrics());
  CHECK(seen.size() > 40);
}

TEST_CASE("values and labels of pods and containers", "[cri]") {
  const auto out = to_metrics(usage());
  const std::vector<std::string> pod{"", "/kubepods/pod1/pod-id", "", "", "default", "web"};
  const std::vector<std::string> container{"server", "/kubepods/pod1/pod-id/container-id", "nginx:1", "container-id", "default", "web"};
  const auto with = [](std::vector<std::string> labels, std::initializer_list<const char*> own) {
    labels.insert(labels.end(), own.begin(), own.end());
    return labels;
  };
  using Values = decltype(values_of(out.metrics(), ""));
  CHECK(values_of(out.metrics(), "container_cpu_usage_seconds_total") == Values{{with(pod, {"total"}), 3}});
  CHECK(values_of(out.metrics(), "container_processes") == Values{{pod, 2}});
  CHECK(values_of(out.metrics(), "container_network_receive_bytes_total") == Values{{with(pod, {"eth0"}), 11}});
  CHECK(values_of(out.metrics(), "container_network_receive_packets_dropped_total") == Values{{with(pod, {"eth0"}), 3}});
  CHECK(values_of(out.metrics(), "container_file_descriptors") == Values{{pod, 40}});
  CHECK(values_of(out.metrics(), "container_sockets") == Values{{pod, 7}});
  CHECK(values_of(out.metrics(), "container_fs_limit_bytes").empty());
  CHECK(values_of(out.metrics(), "container_spec_cpu_shares").empty());
  const Metrics& mine = out.container_metrics(0).metrics();
  CHECK(values_of(mine, "container_spec_cpu_shares") == Values{{container, 512}});
  CHECK(values_of(mine, "container_threads_max") == Values{{container, 0}});
  CHECK(values_of(mine, "container_fs_reads_bytes_total") == Values{{with(container, {"/dev/vda"}), 77}});
  CHECK(values_of(mine, "container_file_descriptors") == Values{{container, 30}});
  CHECK(values_of(mine, "container_sockets") == Values{{container, 5}});
  const std::vector<std::string> layer = with(container, {"/var/lib/slipway/containers"});
  CHECK(values_of(mine, "container_fs_usage_bytes") == Values{{layer, 4096}});
  CHECK(values_of(mine, "container_fs_limit_bytes") == Values{{layer, 1 << 30}});
  CHECK(values_of(mine, "container_fs_inodes_total") == Values{{layer, 1000}});
  CHECK(values_of(mine, "container_fs_inodes_free") == Values{{layer, 900}});
  CHECK(values_of(mine, "container_blkio_device_usage_total")[0] ==
        Values::value_type{with(container, {"/dev/vda", "253", "0", "Read"}), 77});
  CHECK(values_of(mine, "container_hugetlb_usage_bytes") == Values{{with(container, {"2MB"}), 4096}});
  CHECK(values_of(mine, "container_hugetlb_failcnt") == Values{{with(container, {"2MB"}), 6}});
  CHECK(values_of(mine, "container_tasks_state") == Values{{with(container, {"sleeping"}), 4},
                                                           {with(container, {"running"}), 1},
                                                           {with(container, {"stopped"}), 2},
                                                           {with(container, {"uninterruptible"}), 3}});
  CHECK(values_of(mine, "container_ulimits_soft") == Values{{with(container, {"max_open_files"}), 1024}});
  CHECK(values_of(out.metrics(), "container_ulimits_soft").empty());
  CHECK(values_of(mine, "container_spec_memory_reservation_limit_bytes") == Values{{container, 777}});
  CHECK(values_of(mine, "container_pressure_cpu_waiting_seconds_total") == Values{{container, 9}});
  CHECK(values_of(mine, "container_pressure_cpu_stalled_seconds_total") == Values{{container, 4}});
  CHECK(values_of(mine, "container_network_receive_bytes_total").empty());
}
