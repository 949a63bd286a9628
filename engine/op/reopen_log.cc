// ReopenContainerLog: the kubelet has renamed the file; the monitor makes it anew.
#include "engine/op/ops.h"

namespace slipway::engine {

Result<void> reopen_log(Context& context, const std::string& id) {
  const auto record = context.store->container(id);
  if (!record) return fail(Code::not_found, "there is no container '{}'", id);
  if (record->state != ContainerState::running)
    return fail(Code::failed_precondition, "reopen the log of container '{}': it is not running", id);
  TRY_ASSIGN(const auto client, context.monitors.find(record->pod_id));
  monitor::Request request;
  request.mutable_reopen_log()->set_id(id);
  auto done = client->call(std::move(request), {}, context.timeouts.quick);
  if (!done.ok()) return std::move(done).error().within("reopen the log of container '{}'", id);
  return {};
}

}  // namespace slipway::engine
