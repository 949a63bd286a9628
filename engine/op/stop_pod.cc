// StopPodSandbox: kill the containers, give back the network, end the monitor. Every step may have been done before.
#include "base/log.h"
#include "engine/events.h"
#include "engine/network_ops.h"
#include "engine/op/ops.h"
#include "engine/pod_remains.h"
#include "engine/told.h"

namespace slipway::engine {
namespace {

// All are signalled before one is waited for.
Result<void> kill_containers(Context& context, const PodRecord& pod) {
  const std::vector<ContainerRecord> containers = context.store->containers_of(pod.id);
  const auto client = context.monitors.find(pod.id);
  for (const ContainerRecord& record : containers) {
    if (record.state == ContainerState::exited || is_unmade(record) || !client.ok()) continue;
    monitor::Request request;
    request.mutable_signal()->set_id(record.id);
    request.mutable_signal()->set_signal(9);
    request.mutable_signal()->set_all(true);
    const auto sent = client.value()->call(std::move(request), {}, context.timeouts.quick);
    if (!sent.ok()) log::warn("kill container {}: {}", record.id, sent.error().message);
  }
  for (const ContainerRecord& record : containers)
    if (record.state != ContainerState::exited) TRY(kill_container(context, record));
  return {};
}

}  // namespace

Result<void> shut_monitor_down(Context& context, const PodRecord& pod) {
  const auto client = context.monitors.take(pod.id);
  const PodPaths paths = context.paths_of(pod.id);
  if (client) {
    monitor::Request request;
    request.mutable_shutdown();
    const auto done = client->call(std::move(request), {}, std::chrono::seconds(15));
    client->close();
    if (!done.ok()) log::warn("pod {}: its monitor did not end by itself: {}", pod.id, done.error().message);
  }
  // Also where the monitor said that all is done: these only find nothing then.
  TRY(context.cgroups->kill_and_remove(paths.monitor_cgroup));
  return context.cgroups->kill_and_remove(pod.cgroup);
}

Result<void> stop_pod_locked(Context& context, const std::string& id, StageNote& note) {
  std::optional<PodRecord> pod = context.store->pod(id);
  if (!pod) return {};
  const MonotonicNanos begun = now_monotonic();
  if (pod->state == PodState::ready) {
    TRY(context.store->update_pod(id, [](PodRecord& changed) { changed.state = PodState::not_ready; }));
  }
  note.set("kill containers");
  TRY(kill_containers(context, *pod));
  if (pod->network_up) {
    note.set("network");
    Result<void> detached = detach_network(context, id);
    if (!detached.ok()) {
      detach_in_background(context, id);  // also when nobody asks again
      return detached;
    }
  }
  if (pod->monitor_pid != 0) {
    note.set("end the monitor");
    TRY(shut_monitor_down(context, *pod));
    TRY(context.store->update_pod(id, [](PodRecord& changed) { changed.monitor_pid = 0; }));
    tell_pod("pod stopped", *pod, begun);
  }
  return remove_netns(pod->netns);
}

Result<void> stop_pod(Context& context, const std::string& id) {
  if (!context.store->pod(id)) return {};
  const auto note = std::make_shared<StageNote>("StopPodSandbox");
  TRY_ASSIGN(const auto guard, context.pod_locks.lock(id, context.timeouts.lock, note));
  return stop_pod_locked(context, id, *note).context("stop pod '{}'", id);
}

}  // namespace slipway::engine
