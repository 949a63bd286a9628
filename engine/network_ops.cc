// Giving back a pod's network: the record says whether an ADD was begun, only a DEL that succeeded clears it.
#include "engine/network_ops.h"

#include "engine/pod_remains.h"

namespace slipway::engine {

NetworkRequest network_request(const PodRecord& pod) {
  const PodMetadata& metadata = pod.spec.metadata;
  return {.pod_id = pod.id,
          .netns = pod.netns,
          .name = metadata.name,
          .namespace_ = metadata.namespace_,
          .uid = metadata.uid,
          .port_mappings = pod.spec.port_mappings,
          .annotations = pod.spec.annotations};
}

Result<void> detach_network(Context& context, const std::string& pod_id) {
  const std::optional<PodRecord> pod = context.store->pod(pod_id);
  if (!pod || !pod->network_up) return {};
  TRY(context.network->detach(network_request(*pod), pod->network_result));
  return context.store->update_pod(pod_id, [](PodRecord& changed) { changed.network_up = false; });
}

void detach_in_background(Context& context, const std::string& pod_id) {
  context.network_chores.add("give back the network of pod " + pod_id, [&context, pod_id]() -> Result<void> {
    TRY_ASSIGN(const auto guard,
               context.pod_locks.lock(pod_id, context.timeouts.lock, std::make_shared<StageNote>("giving back the network")));
    TRY(detach_network(context, pod_id));
    const std::optional<PodRecord> pod = context.store->pod(pod_id);
    if (pod && pod->monitor_pid == 0) TRY(remove_netns(pod->netns));
    return {};
  });
}

}  // namespace slipway::engine
