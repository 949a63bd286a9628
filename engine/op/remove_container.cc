// RemoveContainer: killed if it still runs, then monitor's entry, writable layer, bundle, record. The log file stays.
#include <thread>

#include "engine/op/bundle.h"
#include "engine/op/ops.h"
#include "engine/runtime_handlers.h"

namespace slipway::engine {

namespace {

constexpr int kReapTries = 100;
constexpr auto kReapPause = std::chrono::milliseconds(20);

}  // namespace

Result<void> forget_in_monitor(Context& context, const std::string& pod_id, const std::string& container_id) {
  for (int tries = 1;; ++tries) {
    const auto client = context.monitors.find(pod_id);
    if (!client.ok()) return {};  // gone, and its entries with it
    monitor::Request request;
    request.mutable_remove()->set_id(container_id);
    const auto removed = client.value()->call(std::move(request), {}, context.timeouts.quick);
    if (removed.ok() || removed.error().code == Code::not_found) return {};
    if (removed.error().code != Code::failed_precondition || tries == kReapTries) return removed.error();
    // lint: allow sleep, because the exit was recorded already and no event says that the monitor has reaped; at most two seconds
    std::this_thread::sleep_for(kReapPause);
  }
}

Result<void> remove_container_files(Context& context, const ContainerRecord& record) {
  // A start that was cut off may have been finished since the monitor said what it has, and it forgets none that lives.
  if (record.started_at == 0) TRY(context.cgroups->kill_and_remove(record.cgroup));
  TRY(forget_in_monitor(context, record.pod_id, record.id));
  TRY(delete_in_runtime(record, bundle_path(context.paths_of(record.pod_id), record.id)));
  TRY(context.cgroups->kill_and_remove(record.cgroup));
  TRY(context.images->remove_root(record.id));
  TRY(remove_bundle(context.paths_of(record.pod_id), record.id));
  return context.store->remove_container(record.id);
}

Result<void> remove_container_locked(Context& context, const ContainerRecord& record) {
  if (record.state != ContainerState::exited) TRY(kill_container(context, record));
  return remove_container_files(context, record);
}

Result<void> remove_container(Context& context, const std::string& id) {
  const auto known = context.store->container(id);
  if (!known) return {};
  TRY_ASSIGN(const auto guard,
             context.pod_locks.lock(known->pod_id, context.timeouts.lock, std::make_shared<StageNote>("RemoveContainer")));
  const auto record = context.store->container(id);
  if (!record) return {};
  return remove_container_locked(context, *record).context("remove container '{}'", id);
}

}  // namespace slipway::engine
