// RemovePodSandbox: stopped first, then containers, cgroups and files go, the record last.
#include "engine/op/ops.h"
#include "engine/pod_remains.h"
#include "engine/told.h"

namespace slipway::engine {
namespace {

Result<void> remove_pod_locked(Context& context, const std::string& id, StageNote& note) {
  const MonotonicNanos begun = now_monotonic();
  TRY(stop_pod_locked(context, id, note));
  note.set("remove");
  const std::optional<PodRecord> pod = context.store->pod(id);
  if (!pod) return {};
  for (const ContainerRecord& record : context.store->containers_of(id)) TRY(remove_container_locked(context, record));
  const PodPaths paths = context.paths_of(id);
  TRY(context.cgroups->kill_and_remove(pod->cgroup));
  TRY(context.cgroups->kill_and_remove(paths.monitor_cgroup));
  TRY(remove_pod_directory(paths));
  TRY(context.store->remove_pod(id));
  tell_pod("pod removed", *pod, begun);
  return {};
}

}  // namespace

Result<void> remove_pod(Context& context, const std::string& id) {
  if (!context.store->pod(id)) return {};
  const auto note = std::make_shared<StageNote>("RemovePodSandbox");
  TRY_ASSIGN(const auto guard, context.pod_locks.lock(id, context.timeouts.lock, note));
  return remove_pod_locked(context, id, *note).context("remove pod '{}'", id);
}

}  // namespace slipway::engine
