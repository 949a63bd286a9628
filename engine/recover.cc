// What a new slipwayd does with what the one before left: everything is found from the records, by id.
#include "engine/recover.h"

#include <fcntl.h>

#include <functional>
#include <set>

#include "base/log.h"
#include "engine/events.h"
#include "engine/network_ops.h"
#include "engine/op/ops.h"
#include "engine/pod_remains.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

// Connects to the monitor if there is one, so that it can be asked to end.
void adopt_for_ending(Context& context, const std::string& pod_id) {
  auto client = context.starter->adopt(pod_id, context.paths_of(pod_id).directory, 0, make_hooks(context, pod_id));
  if (client.ok()) context.monitors.put(pod_id, std::move(client).take());
}

Result<void> undo_pod(Context& context, PodRecord pod) {
  log::info("pod {}: its start was not finished, it is taken back", pod.id);
  adopt_for_ending(context, pod.id);
  Result<void> detached;
  if (pod.network_up) detached = context.network->detach(network_request(pod), pod.network_result);
  TRY(shut_monitor_down(context, pod));
  TRY(remove_pod_directory(context.paths_of(pod.id)));
  if (detached.ok()) {
    TRY(remove_netns(context.paths_of(pod.id).netns));
    return context.store->remove_pod(pod.id);
  }
  log::warn("pod {}: {}", pod.id, detached.error().message);
  pod.state = PodState::not_ready;
  pod.reason = "NetworkTeardownFailed";
  pod.monitor_pid = 0;
  const std::string id = pod.id;
  TRY(context.store->commit(std::move(pod)));
  detach_in_background(context, id);
  return {};
}

Result<void> undo_container(Context& context, const ContainerRecord& record) {
  log::info("container {}: its making was not finished, it is taken back", record.id);
  TRY(context.cgroups->kill_and_remove(record.cgroup));
  return remove_container_files(context, record);
}

// After a reboot nothing runs; the network plugins still hold addresses.
Result<void> recover_after_reboot(Context& context, const PodRecord& pod) {
  for (const ContainerRecord& record : context.store->containers_of(pod.id))
    record_lost_exit(context, record.id, 255, "Unknown", "the host was restarted");
  TRY(context.store->update_pod(pod.id, [&](PodRecord& changed) {
    changed.state = PodState::not_ready;
    if (changed.reason.empty()) changed.reason = "HostRestarted";
    changed.monitor_pid = 0;
    changed.boot_id = context.boot_id;
  }));
  if (pod.network_up) detach_in_background(context, pod.id);
  return {};
}

Result<void> recover_pod(Context& context, const PodRecord& pod) {
  if (pod.boot_id != context.boot_id) return recover_after_reboot(context, pod);
  if (pod.monitor_pid != 0) {
    const Result<void> settled = adopt_or_lose(context, pod.id);
    if (!settled.ok()) {  // it is tried again while the node is up: its containers run meanwhile
      log::warn("{}", settled.error().message);
      settle_monitor_later(context, pod.id);
    }
  }
  // A stop that did not come to its end: its DEL is still owed.
  if (pod.state == PodState::not_ready && pod.network_up) detach_in_background(context, pod.id);
  return {};
}

// What a plugin may hold for a pod whose record did not reach the disk before the power went, or not with the word that a DEL is owed.
Result<void> give_owed_back(Context& context, const std::set<std::string>& recorded) {
  TRY_ASSIGN(const std::vector<std::string> owed, context.network->owed());
  for (const std::string& id : owed) {
    if (recorded.count(id) != 0) continue;
    log::info("pod {}: its record was lost, its network is given back", id);
    context.network_chores.add("give back the network of pod " + id, [&context, id] { return context.network->detach_owed(id); });
  }
  context.network_chores.add("free addresses without an owner", [&context] { return context.network->reclaim(); });
  return {};
}

// Directories of pods whose record was lost with the power. A state directory in memory, which is the default, has none.
Result<void> remove_orphan_directories(Context& context, const std::set<std::string>& recorded) {
  TRY_ASSIGN(const UniqueFd pods, sys::open_path(context.options.state + "/pods", O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(const std::vector<std::string> ids, sys::list_directory(pods));
  for (const std::string& id : ids) {
    if (recorded.count(id) != 0) continue;
    const PodPaths paths = context.paths_of(id);
    if (const auto monitor = context.starter->adopt(id, paths.directory, 0, make_hooks(context, id)); monitor.ok()) {
      monitor.value()->close();
      log::error("pod {}: its monitor lives and no record speaks of it: it is left alone", id);
      continue;
    }
    log::info("pod {}: its record was lost, its directory goes", id);
    TRY(remove_pod_directory(paths));
  }
  return {};
}

// Bundles without a record: a CreateContainer did not come to its commit.
Result<void> remove_orphan_bundles(Context& context, const PodRecord& pod) {
  const auto bundles = sys::open_path(context.paths_of(pod.id).directory + "/containers", O_RDONLY | O_DIRECTORY);
  if (!bundles.ok()) return bundles.error().code == Code::not_found ? Result<void>{} : bundles.error();
  TRY_ASSIGN(const std::vector<std::string> ids, sys::list_directory(bundles.value()));
  for (const std::string& id : ids) {
    if (context.store->container(id)) continue;
    log::info("container {}: its creation was not finished, its bundle goes", id);
    TRY(sys::remove_tree(bundles.value(), id));
  }
  return {};
}

// Writable layers without a record: a CreateContainer did not come to its commit, a remove was interrupted after the record went.
void remove_orphan_roots(Context& context) {
  for (const std::string& id : context.images->roots()) {
    if (context.store->container(id)) continue;
    const auto removed = context.images->remove_root(id);
    if (!removed.ok()) log::warn("writable layer of container {}, which is not recorded: {}", id, removed.error().message);
  }
}

void report(const std::string& what, const Result<void>& result) {
  if (!result.ok()) log::error("recover {}: {}", what, result.error().message);
}

// What cannot be taken back now (a process that hangs in the kernel, a busy mount) is tried again until it is.
void take_back(Context& context, const std::string& what, const std::string& pod_id, const std::function<Result<void>()>& undo) {
  const Result<void> undone = undo();
  if (undone.ok()) return;
  log::error("recover {}: {}", what, undone.error().message);
  context.chores.add("take back " + what, [&context, pod_id, undo]() -> Result<void> {
    TRY_ASSIGN(const auto guard, context.pod_locks.lock(pod_id, context.timeouts.lock));
    return undo();
  });
}

}  // namespace

Result<void> recover(Context& context) {
  const std::shared_ptr<const Snapshot> before = context.store->snapshot();
  std::set<std::string> recorded, with_network;
  const auto note = [&](const PodRecord& pod) {
    recorded.insert(pod.id);
    if (pod.network_up) with_network.insert(pod.id);
  };
  for (const auto& [id, pod] : before->pods) note(pod);
  for (const PodRecord& pod : context.store->pod_intents()) note(pod);
  for (const auto& [id, pod] : before->pods) report("pod " + id, recover_pod(context, pod));
  for (const ContainerRecord& record : context.store->container_intents())
    take_back(context, "container " + record.id, record.pod_id, [&context, record] { return undo_container(context, record); });
  for (const PodRecord& pod : context.store->pod_intents())
    take_back(context, "pod " + pod.id, pod.id, [&context, pod] { return undo_pod(context, pod); });
  remove_orphan_roots(context);
  for (const auto& [id, pod] : before->pods) report("bundles of pod " + id, remove_orphan_bundles(context, *pod));
  report("directories without a pod", remove_orphan_directories(context, recorded));
  report("networks without a pod", give_owed_back(context, with_network));
  return {};
}

}  // namespace slipway::engine
