// UpdateContainerResources: a patch (zero means unchanged) onto what was applied last; all or nothing. UpdatePodSandboxResources: a note.
#include "base/log.h"
#include "cgroups/plan.h"
#include "engine/op/bundle.h"
#include "engine/op/ops.h"
#include "engine/spec/builder.h"
#include "oci/parse.h"

namespace slipway::engine {
namespace {

template <class T>
void take(T& current, const T& patch) {
  if (patch != T{}) current = patch;
}

LinuxResources merge(LinuxResources current, const LinuxResources& patch) {
  // A new memory limit without a swap value keeps the rule "no swap": both limits move together.
  if (patch.memory_limit_in_bytes != 0 && patch.memory_swap_limit_in_bytes == 0 &&
      current.memory_swap_limit_in_bytes == current.memory_limit_in_bytes)
    current.memory_swap_limit_in_bytes = 0;
  take(current.cpu_period, patch.cpu_period);
  take(current.cpu_quota, patch.cpu_quota);
  take(current.cpu_shares, patch.cpu_shares);
  take(current.memory_limit_in_bytes, patch.memory_limit_in_bytes);
  take(current.memory_swap_limit_in_bytes, patch.memory_swap_limit_in_bytes);
  take(current.oom_score_adj, patch.oom_score_adj);
  take(current.cpuset_cpus, patch.cpuset_cpus);
  take(current.cpuset_mems, patch.cpuset_mems);
  for (const oci::HugepageLimit& limit : patch.hugepage_limits) {
    if (limit.limit == 0) continue;
    std::erase_if(current.hugepage_limits, [&](const oci::HugepageLimit& old) { return old.page_size == limit.page_size; });
    current.hugepage_limits.push_back(limit);
  }
  for (const auto& [file, value] : patch.unified) current.unified[file] = value;
  return current;
}

Result<void> apply(Context& context, const ContainerRecord& record, const LinuxResources& wanted) {
  TRY_ASSIGN(oci::Resources resources, plan_resources(wanted, context.host));
  // A limit below what is in use would end the container instead of failing.
  if (resources.memory && resources.memory->limit) resources.memory->check_before_update = true;
  TRY(context.cgroups->apply(record.cgroup, resources));
  if (wanted.oom_score_adj != record.resources.oom_score_adj)
    TRY(context.cgroups->set_oom_score(record.cgroup, static_cast<int>(wanted.oom_score_adj)));
  return {};
}

// It has no cgroup yet: config.json is what it will get.
Result<void> plan_anew(Context& context, const ContainerRecord& record, const LinuxResources& wanted) {
  const std::string bundle = bundle_path(context.paths_of(record.pod_id), record.id);
  TRY_ASSIGN(oci::Spec spec, read_config(bundle));
  TRY_ASSIGN(oci::Resources resources, plan_resources(wanted, context.host));
  if (spec.linux_.resources) resources.devices = std::move(spec.linux_.resources->devices);
  spec.linux_.resources = std::move(resources);
  spec.process->oom_score_adj = static_cast<int>(wanted.oom_score_adj);
  TRY(oci::validate(spec));
  TRY(cgroups::plan_writes(*spec.linux_.resources));  // for its errors
  return write_specs(bundle, spec);
}

Result<void> apply_or_go_back(Context& context, const ContainerRecord& record, const LinuxResources& wanted) {
  Result<void> applied = apply(context, record, wanted);
  if (applied.ok()) return applied;
  // Some writes may have been taken: back to what was recorded.
  if (const auto back = apply(context, record, record.resources); !back.ok())
    log::warn("container {}: back to its former limits: {}", record.id, back.error().message);
  return applied;
}

Result<void> update_locked(Context& context, const ContainerRecord& record, const LinuxResources& patch) {
  if (record.state == ContainerState::exited) return fail(Code::failed_precondition, "it has ended");
  if (patch.oom_score_adj < -1000 || patch.oom_score_adj > 1000)
    return fail(Code::invalid_argument, "oom_score_adj {} is not from -1000 to 1000", patch.oom_score_adj);
  const LinuxResources wanted = merge(record.resources, patch);
  TRY(is_unmade(record) ? plan_anew(context, record, wanted) : apply_or_go_back(context, record, wanted));
  return context.store->update_container(record.id, [&](ContainerRecord& changed) { changed.resources = wanted; });
}

}  // namespace

Result<void> update_resources(Context& context, const std::string& id, const LinuxResources& patch) {
  const auto known = context.store->container(id);
  if (!known) return fail(Code::not_found, "there is no container '{}'", id);
  TRY_ASSIGN(const auto guard,
             context.pod_locks.lock(known->pod_id, context.timeouts.lock, std::make_shared<StageNote>("UpdateContainerResources")));
  const auto record = context.store->container(id);
  if (!record) return fail(Code::not_found, "there is no container '{}'", id);
  return update_locked(context, *record, patch).context("update container '{}'", id);
}

Result<void> update_pod_resources(Context& context, const std::string& id, const LinuxResources& overhead,
                                  const LinuxResources& resources) {
  return context.store
      ->update_pod(id,
                   [&](PodRecord& pod) {
                     pod.spec.overhead = overhead;
                     pod.spec.resources = resources;
                   })
      .context("update the resources of pod '{}'", id);
}

}  // namespace slipway::engine
