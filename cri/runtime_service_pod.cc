// RuntimeService: the calls about pods.
#include <algorithm>

#include "base/ids.h"
#include "base/time.h"
#include "cri/from_proto.h"
#include "cri/inspect.h"
#include "cri/list_item.h"
#include "cri/runtime_service.h"
#include "cri/streams.h"
#include "cri/to_proto.h"

namespace slipway::cri {

Result<std::string> RuntimeService::pod_id(const std::string& id) const {
  if (id.empty()) return fail(Code::invalid_argument, "pod_sandbox_id: empty");
  if (is_full_id(id)) return id;  // known to the engine even while it is being made
  TRY_ASSIGN(const engine::PodRecord pod, backend_.engine.find_pod(id));
  return pod.id;
}

grpc::ServerUnaryReactor* RuntimeService::RunPodSandbox(grpc::CallbackServerContext* context, const v1::RunPodSandboxRequest* request,
                                                        v1::RunPodSandboxResponse* response) {
  return answer_in_time(Lane::operate, context, request, response, [this](const auto& asked, auto& reply) -> Result<void> {
    TRY_ASSIGN(engine::PodSpec spec, from_proto(asked));
    TRY_ASSIGN(const std::string id, backend_.engine.run_pod(std::move(spec)));
    reply.set_pod_sandbox_id(id);
    return {};
  });
}

grpc::ServerUnaryReactor* RuntimeService::StopPodSandbox(grpc::CallbackServerContext* context, const v1::StopPodSandboxRequest* request,
                                                         v1::StopPodSandboxResponse* response) {
  return answer_in_time(Lane::wait, context, request, response, [this](const auto& asked, auto&) -> Result<void> {
    const auto id = pod_id(asked.pod_sandbox_id());
    if (is_absent(id)) return {};
    if (!id.ok()) return id.error();
    return backend_.engine.stop_pod(id.value());
  });
}

grpc::ServerUnaryReactor* RuntimeService::RemovePodSandbox(grpc::CallbackServerContext* context, const v1::RemovePodSandboxRequest* request,
                                                           v1::RemovePodSandboxResponse* response) {
  return answer_in_time(Lane::operate, context, request, response, [this](const auto& asked, auto&) -> Result<void> {
    const auto id = pod_id(asked.pod_sandbox_id());
    if (is_absent(id)) return {};
    if (!id.ok()) return id.error();
    return backend_.engine.remove_pod(id.value());
  });
}

grpc::ServerUnaryReactor* RuntimeService::PodSandboxStatus(grpc::CallbackServerContext* context, const v1::PodSandboxStatusRequest* request,
                                                           v1::PodSandboxStatusResponse* response) {
  return answer(Lane::read, context, [this, request, response]() -> Result<void> {
    TRY_ASSIGN(const std::string id, pod_id(request->pod_sandbox_id()));
    // The time comes first: the statuses below are at least as new as it says. The two go together or not at all.
    response->set_timestamp(now_realtime());
    TRY_ASSIGN(const engine::PodRecord pod, backend_.engine.find_pod(id));
    *response->mutable_status() = to_status(pod);
    const auto snapshot = backend_.engine.snapshot();
    for (const auto& [container_id, container] : snapshot->containers)
      if (container->pod_id == pod.id) *response->add_containers_statuses() = status_of(container);
    if (request->verbose()) (*response->mutable_info())["info"] = to_json(pod);
    return {};
  });
}

grpc::ServerUnaryReactor* RuntimeService::UpdatePodSandboxResources(grpc::CallbackServerContext* context,
                                                                    const v1::UpdatePodSandboxResourcesRequest* request,
                                                                    v1::UpdatePodSandboxResourcesResponse* response) {
  return answer_in_time(Lane::operate, context, request, response, [this](const auto& asked, auto&) -> Result<void> {
    TRY_ASSIGN(const std::string id, pod_id(asked.pod_sandbox_id()));
    TRY_ASSIGN(const engine::LinuxResources overhead, from_proto(asked.overhead()));
    TRY_ASSIGN(const engine::LinuxResources resources, from_proto(asked.resources()));
    return backend_.engine.update_pod_resources(id, overhead, resources);
  });
}

grpc::ServerUnaryReactor* RuntimeService::ListPodSandbox(grpc::CallbackServerContext* context, const v1::ListPodSandboxRequest* request,
                                                         v1::ListPodSandboxResponse* response) {
  return answer(Lane::read, context, [this, request, response]() -> Result<void> {
    const auto snapshot = backend_.engine.snapshot();
    for (const auto& [id, pod] : snapshot->pods)
      if (matches(request->filter(), pod)) *add_item(*response, v1::ListPodSandboxResponse::kItemsFieldNumber) = list_item(pod);
    return {};
  });
}

grpc::ServerWriteReactor<v1::StreamPodSandboxesResponse>* RuntimeService::StreamPodSandboxes(grpc::CallbackServerContext*,
                                                                                             const v1::StreamPodSandboxesRequest* request) {
  const auto list = [this, request] {
    std::vector<std::string> out;
    const auto snapshot = backend_.engine.snapshot();
    for (const auto& [id, pod] : snapshot->pods)
      if (matches(request->filter(), pod)) out.push_back(list_item(pod));
    return out;
  };
  return stream_list<v1::StreamPodSandboxesResponse>(
      backend_.workers, Lane::read, list, [](auto& m) { return add_item(m, v1::StreamPodSandboxesResponse::kPodSandboxesFieldNumber); });
}

}  // namespace slipway::cri
