// Dial: a connection to a port of a pod's own loopback, made by the pod's monitor in a fork that joins its network namespace.
#include "engine/op/ops.h"

namespace slipway::engine {

Result<UniqueFd> dial(Context& context, const std::string& pod_id, std::uint32_t port) {
  const auto pod = context.store->pod(pod_id);
  if (!pod) return fail(Code::not_found, "there is no pod '{}'", pod_id);
  if (pod->state != PodState::ready) return fail(Code::failed_precondition, "pod '{}' is not ready", pod_id);
  TRY_ASSIGN(const auto client, context.monitors.find(pod_id));
  monitor::Request request;
  request.mutable_dial()->set_port(port);
  TRY_ASSIGN(MonitorReply reply, client->call(std::move(request), {}, context.timeouts.monitor));
  if (reply.fds.size() != 1) return fail(Code::internal, "the monitor gave {} descriptors for a connection", reply.fds.size());
  return std::move(reply.fds[0]);
}

}  // namespace slipway::engine
