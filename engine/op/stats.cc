// What the kernel counts of containers and pods: cgroup v2, and the links of the pod's network namespace.
#include <system_error>
#include <thread>

#include "base/log.h"
#include "engine/op/ops.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

Result<ContainerUsage> usage_of(Context& context, const ContainerRecord& record, UsageDetail detail) {
  ContainerUsage usage;
  usage.timestamp = now_realtime();
  TRY_ASSIGN(usage.cgroup, context.cgroups->stats(record.cgroup));
  TRY_ASSIGN(const std::vector<pid_t> pids, context.cgroups->processes(record.cgroup));
  usage.processes = pids.size();
  if (detail == UsageDetail::processes) {
    usage.files = count_open_files(pids);
    usage.tasks = count_task_states(pids);
    usage.open_files_limit = open_files_limit(static_cast<pid_t>(record.pid));
  }
  if (auto layer = context.images->root_usage(record.id); layer.ok()) usage.writable_layer = layer.value();
  usage.container = record;
  return usage;
}

// A thread enters and ends there, so that none that goes on is ever in a pod's namespace.
Result<std::vector<sys::LinkCounters>> read_links(const std::string& netns) {
  TRY_ASSIGN(const UniqueFd fd, sys::open_path(netns, O_RDONLY));
  Result<std::vector<sys::LinkCounters>> links = fail(Code::internal, "nothing was read");
  try {
    std::thread([&] { links = sys::enter_and_read_link_counters(fd); }).join();
  } catch (const std::system_error& error) {  // EAGAIN: a limit of the unit or of the kernel
    return fail(Code::resource_exhausted, "no thread can be started: {}", error.what());
  }
  return std::move(links).context("'{}'", netns);
}

// By the pinned namespace: it needs nobody's help, and is there while the pod is.
std::vector<sys::LinkCounters> links_of(const PodRecord& pod) {
  if (pod.netns.empty()) return {};
  auto links = read_links(pod.netns);
  if (links.ok()) return std::move(links).take();
  log::warn("network statistics of pod {}: {}", pod.id, links.error().message);
  return {};
}

}  // namespace

Result<ContainerUsage> container_usage(Context& context, const std::string& id) {
  const auto record = context.store->container(id);
  if (!record) return fail(Code::not_found, "there is no container '{}'", id);
  if (record->state != ContainerState::running) return fail(Code::failed_precondition, "stats of container '{}': it is not running", id);
  return usage_of(context, *record, UsageDetail::counters).context("stats of container '{}'", id);
}

Result<PodUsage> pod_usage(Context& context, const std::string& id, UsageDetail detail) {
  const auto view = context.store->view(id);
  if (!view) return fail(Code::not_found, "there is no pod '{}'", id);
  if (view->pod.state != PodState::ready) return fail(Code::failed_precondition, "stats of pod '{}': it is not ready", id);
  PodUsage usage;
  usage.timestamp = now_realtime();
  auto cgroup = context.cgroups->stats(view->pod.cgroup);
  if (!cgroup.ok()) return std::move(cgroup).error().within("stats of pod '{}'", id);
  usage.cgroup = std::move(cgroup).take();
  TRY_ASSIGN(const std::vector<pid_t> pids, context.cgroups->processes(view->pod.cgroup));
  usage.processes = pids.size();
  usage.links = links_of(view->pod);
  for (const ContainerRecord& record : view->containers) {
    if (record.state != ContainerState::running) continue;
    auto one = usage_of(context, record, detail);
    if (!one.ok()) continue;  // it has ended meanwhile
    usage.files.descriptors += one.value().files.descriptors;
    usage.files.sockets += one.value().files.sockets;
    const TaskStates& tasks = one.value().tasks;
    usage.tasks.sleeping += tasks.sleeping;
    usage.tasks.running += tasks.running;
    usage.tasks.stopped += tasks.stopped;
    usage.tasks.uninterruptible += tasks.uninterruptible;
    usage.containers.push_back(std::move(one).take());
  }
  usage.pod = view->pod;
  return usage;
}

}  // namespace slipway::engine
