// Facts come up: exit events become states, a monitor that is gone becomes a pod that is not ready.
#include "engine/events.h"

#include <functional>

#include "base/log.h"
#include "engine/network_ops.h"
#include "engine/op/ops.h"
#include "engine/pod_remains.h"
#include "engine/told.h"

namespace slipway::engine {
namespace {

void fill_exit(ContainerRecord& record, const monitor::ExitRecord& exit) {
  record.state = ContainerState::exited;
  record.pid = 0;
  record.exit_code = exit.code();
  record.finished_at = exit.finished_at() != 0 ? exit.finished_at() : now_realtime();
  if (exit.oom_killed() && exit.code() != 0) {
    record.reason = "OOMKilled";
    record.message = exit.oom_cgroup().empty() ? "the node ran out of memory"
                                               : fmt::format("the cgroup '{}' reached its memory limit", exit.oom_cgroup());
  } else {
    record.reason = exit.code() == 0 ? "Completed" : "Error";
  }
}

// Its containers were killed by the kernel with it, and none can be made any more: the kubelet makes a new pod.
Result<void> record_init_death(Context& context, const std::string& pod_id) {
  const auto recorded = context.store->update_pod(pod_id, [](PodRecord& pod) {
    if (pod.state != PodState::ready) return;
    pod.state = PodState::not_ready;
    pod.reason = "PodInitDied";
  });
  return recorded.ok() || recorded.error().code == Code::not_found ? Result<void>{} : recorded;
}

// A monitor that cannot be reached because it is not there: nobody listens, or somebody else does. One that lives and does not answer
// (stopped, or waiting for a dead disk) is another thing: its containers run.
bool is_gone(const Error& error) {
  return error.code == Code::unavailable || error.code == Code::not_found || error.code == Code::data_loss;
}

// An end that no monitor tells of.
struct End {
  std::int32_t code = 0;
  const char* reason;
  std::string message;
};

bool end_where(Context& context, const std::string& container_id, const End& end,
               const std::function<bool(const ContainerRecord&)>& condition) {
  std::optional<ContainerRecord> ended;
  const auto recorded = context.store->update_container(container_id, [&](ContainerRecord& record) {
    if (record.state == ContainerState::exited || !condition(record)) return;
    record.state = ContainerState::exited;
    record.pid = 0;
    record.exit_code = end.code;
    record.reason = end.reason;
    record.message = end.message;
    record.finished_at = now_realtime();
    ended = record;
  });
  if (ended) tell_exit(*ended);
  if (!recorded.ok()) log::error("container {}: {}", container_id, recorded.error().message);
  return ended.has_value();
}

bool is_beneath(std::string_view path, std::string_view parent) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (parent.starts_with('/')) parent.remove_prefix(1);
  if (path.size() <= parent.size() + 1 || !path.starts_with(parent) || path[parent.size()] != '/') return false;
  return path.find("/../") == std::string_view::npos && !path.ends_with("/..");
}

// Nobody waits for it: no record knows it, or one that says it has ended.
bool is_left_over(const Context& context, const monitor::ContainerState& told) {
  const auto record = context.store->container(told.id());
  return !record || (record->state == ContainerState::exited && told.state() != monitor::ContainerState::EXITED);
}

// What a slipwayd that is gone had half made, or was about to end.
// Only beneath the pod's own cgroup is anything killed at a monitor's word: it may have been taken over by its container.
void discard_left_over(Context& context, const std::string& pod_id, const monitor::Welcome& welcome) {
  const std::optional<PodRecord> pod = context.store->pod(pod_id);
  if (!pod || pod->cgroup.empty()) return;
  for (const auto& state : welcome.containers()) {
    if (!is_left_over(context, state)) continue;
    if (!is_beneath(state.cgroup(), pod->cgroup)) {
      log::error("pod {}: its monitor speaks of a container '{}' in cgroup '{}', which is not the pod's", pod_id, state.id(),
                 state.cgroup());
      continue;
    }
    context.chores.add("take back container " + state.id(), [&context, pod_id, state]() -> Result<void> {
      TRY_ASSIGN(const auto guard,
                 context.pod_locks.lock(pod_id, context.timeouts.lock, std::make_shared<StageNote>("taking back a container")));
      if (!is_left_over(context, state)) return {};
      TRY(context.cgroups->kill_and_remove(state.cgroup()));
      return forget_in_monitor(context, pod_id, state.id());
    });
  }
}

Result<void> apply(Context& context, const std::string& pod_id, const monitor::Event& event) {
  switch (event.what_case()) {
    case monitor::Event::kExited: {
      TRY(record_exit(context, event.exited().id(), event.exited().exit()));
      auto noted = context.store->update_pod(pod_id, [&](PodRecord& pod) { pod.last_event = event.sequence(); });
      return noted.ok() || noted.error().code == Code::not_found ? Result<void>{} : noted;
    }
    case monitor::Event::kExecExited: context.execs.ended(event.exec_exited().id(), event.exec_exited().exit().code()); return {};
    case monitor::Event::kOom:
      log::info("container {}: the kernel killed {} process(es) at its memory limit", event.oom().container_id(), event.oom().oom_kill());
      return {};
    case monitor::Event::kPodInitExited: return record_init_death(context, pod_id);
    case monitor::Event::WHAT_NOT_SET: return {};  // of a newer monitor
  }
  return {};
}

}  // namespace

MonitorHooks make_hooks(Context& context, const std::string& pod_id) {
  MonitorHooks hooks;
  hooks.on_event = [&context, pod_id](MonitorClient& client, const monitor::Event& event) {
    const Result<void> applied = apply(context, pod_id, event);
    if (!applied.ok()) {
      // Not acknowledged: the monitor tells it again to the next connection.
      log::error("event {} of pod {}: {}", event.sequence(), pod_id, applied.error().message);
      return;
    }
    if (const auto sent = client.acknowledge(event.sequence()); !sent.ok())
      log::debug("acknowledge to pod {}: {}", pod_id, sent.error().message);
  };
  hooks.on_lost = [&context, pod_id] {
    context.execs.lost(pod_id);
    settle_monitor_later(context, pod_id);
  };
  return hooks;
}

void settle_monitor_later(Context& context, const std::string& pod_id) {
  context.chores.add("settle the lost monitor of pod " + pod_id, [&context, pod_id]() -> Result<void> {
    TRY_ASSIGN(const auto guard,
               context.pod_locks.lock(pod_id, context.timeouts.lock, std::make_shared<StageNote>("settling a lost monitor")));
    return adopt_or_lose(context, pod_id);
  });
}

Result<void> record_exit(Context& context, const std::string& container_id, const monitor::ExitRecord& exit) {
  std::optional<ContainerRecord> ended;
  auto recorded = context.store->update_container(container_id, [&](ContainerRecord& record) {
    // Of an unmade one: the start under way finds it gone, or a later one begins anew.
    if (record.state == ContainerState::exited || is_unmade(record)) return;
    fill_exit(record, exit);
    ended = record;
  });
  if (ended) tell_exit(*ended);
  // Removed meanwhile: nobody wants to know.
  return recorded.ok() || recorded.error().code == Code::not_found ? Result<void>{} : recorded;
}

void record_lost_exit(Context& context, const std::string& container_id, std::int32_t code, const char* reason,
                      const std::string& message) {
  (void)end_where(context, container_id, {code, reason, message}, [](const ContainerRecord&) { return true; });
}

bool end_unmade(Context& context, const std::string& container_id) {
  const auto record = context.store->container(container_id);
  if (!record || !is_unmade(*record)) return false;  // nothing is written
  return end_where(context, container_id, {137, "Error", "it was stopped before it was started"}, is_unmade);
}

Result<void> reconcile(Context& context, const std::string& pod_id, const monitor::Welcome& welcome) {
  std::map<std::string, const monitor::ContainerState*> told;
  for (const auto& state : welcome.containers()) told[state.id()] = &state;
  for (const ContainerRecord& record : context.store->containers_of(pod_id)) {
    if (record.state == ContainerState::exited) continue;
    const auto found = told.find(record.id);
    if (found == told.end()) {
      if (!is_unmade(record)) record_lost_exit(context, record.id, 255, "Unknown", "its monitor does not know it");
    } else if (found->second->state() == monitor::ContainerState::EXITED) {
      TRY(record_exit(context, record.id, found->second->exit()));
    } else if (is_unmade(record)) {  // the slipwayd before was killed while it started it: what it has made waits
      TRY(context.store->update_container(record.id, [&](ContainerRecord& changed) {
        if (!is_unmade(changed)) return;  // it was stopped meanwhile
        changed.made = true;
        changed.pid = found->second->pid();
      }));
    } else if (found->second->state() == monitor::ContainerState::RUNNING && record.state == ContainerState::created) {
      TRY(context.store->update_container(record.id, [&](ContainerRecord& changed) {
        if (changed.state != ContainerState::created) return;  // its exit came meanwhile
        changed.state = ContainerState::running;
        changed.started_at = now_realtime();
        changed.pid = found->second->pid();
      }));
    }
  }
  discard_left_over(context, pod_id, welcome);
  if (welcome.init_died()) TRY(record_init_death(context, pod_id));
  return context.store->update_pod(pod_id, [&](PodRecord& pod) { pod.monitor_pid = welcome.monitor_pid(); });
}

Result<void> adopt_or_lose(Context& context, const std::string& pod_id) {
  const std::optional<PodRecord> pod = context.store->pod(pod_id);
  if (!pod || pod->monitor_pid == 0) return {};  // being made or removed: whoever does that cleans up; or stopped as intended
  if (const auto old = context.monitors.take(pod_id)) old->close();
  const PodPaths paths = context.paths_of(pod_id);
  auto client = context.starter->adopt(pod_id, paths.directory, pod->last_event, make_hooks(context, pod_id));
  if (client.ok()) {
    context.monitors.put(pod_id, client.value());
    return reconcile(context, pod_id, client.value()->welcome());
  }
  if (!is_gone(client.error())) return std::move(client).error().within("pod {}: its monitor lives and does not answer", pod_id);
  log::warn("pod {}: its monitor is lost ({})", pod_id, client.error().message);
  for (const ContainerRecord& record : context.store->containers_of(pod_id)) {
    if (record.state == ContainerState::exited) continue;
    const auto text = read_exit_record(paths, record.id);
    monitor::ExitRecord exit;
    if (text.ok() && exit.ParseFromString(text.value())) TRY(record_exit(context, record.id, exit));
  }
  // First who may still be making a container: a runner that its monitor left behind.
  TRY(context.cgroups->kill_and_remove(paths.monitor_cgroup));
  TRY(context.cgroups->kill_and_remove(pod->cgroup));
  for (const ContainerRecord& record : context.store->containers_of(pod_id))
    record_lost_exit(context, record.id, 137, "MonitorLost", "the monitor of the pod ended; its processes were killed");
  TRY(context.store->update_pod(pod_id, [](PodRecord& changed) {
    changed.state = PodState::not_ready;
    changed.reason = "MonitorLost";
    changed.monitor_pid = 0;
  }));
  context.store->wake();
  if (pod->network_up) detach_in_background(context, pod_id);
  return {};
}

}  // namespace slipway::engine
