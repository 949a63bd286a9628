// RuntimeService: the calls about containers.
#include "base/ids.h"
#include "cri/from_proto.h"
#include "cri/inspect.h"
#include "cri/list_item.h"
#include "cri/runtime_service.h"
#include "cri/streams.h"
#include "cri/to_proto.h"

namespace slipway::cri {

Result<std::string> RuntimeService::container_id(const std::string& id) const {
  if (id.empty()) return fail(Code::invalid_argument, "container_id: empty");
  if (is_full_id(id)) return id;
  TRY_ASSIGN(const engine::ContainerRecord container, backend_.engine.find_container(id));
  return container.id;
}

v1::ContainerStatus RuntimeService::status_of(const engine::ContainerRecord& container) const {
  const auto image = backend_.images.find(container.image_id);
  return to_status(container, image.ok() ? &image.value() : nullptr);
}

grpc::ServerUnaryReactor* RuntimeService::CreateContainer(grpc::CallbackServerContext* context, const v1::CreateContainerRequest* request,
                                                          v1::CreateContainerResponse* response) {
  return answer_in_time(Lane::operate, context, request, response, [this](const auto& asked, auto& reply) -> Result<void> {
    TRY_ASSIGN(const std::string pod, pod_id(asked.pod_sandbox_id()));
    TRY_ASSIGN(engine::ContainerSpec spec, from_proto(asked.config()));
    TRY_ASSIGN(const std::string id, backend_.engine.create_container(pod, std::move(spec)));
    reply.set_container_id(id);
    return {};
  });
}

grpc::ServerUnaryReactor* RuntimeService::StartContainer(grpc::CallbackServerContext* context, const v1::StartContainerRequest* request,
                                                         v1::StartContainerResponse* response) {
  return answer_in_time(Lane::operate, context, request, response, [this](const auto& asked, auto&) -> Result<void> {
    TRY_ASSIGN(const std::string id, container_id(asked.container_id()));
    return backend_.engine.start_container(id);
  });
}

grpc::ServerUnaryReactor* RuntimeService::StopContainer(grpc::CallbackServerContext* context, const v1::StopContainerRequest* request,
                                                        v1::StopContainerResponse* response) {
  return answer_in_time(Lane::wait, context, request, response, [this](const auto& asked, auto&) -> Result<void> {
    if (asked.timeout() < 0) return fail(Code::invalid_argument, "timeout: {} is negative", asked.timeout());
    const auto id = container_id(asked.container_id());
    if (is_absent(id)) return {};
    if (!id.ok()) return id.error();
    return backend_.engine.stop_container(id.value(), std::chrono::seconds(asked.timeout()));
  });
}

grpc::ServerUnaryReactor* RuntimeService::RemoveContainer(grpc::CallbackServerContext* context, const v1::RemoveContainerRequest* request,
                                                          v1::RemoveContainerResponse* response) {
  return answer_in_time(Lane::operate, context, request, response, [this](const auto& asked, auto&) -> Result<void> {
    const auto id = container_id(asked.container_id());
    if (is_absent(id)) return {};
    if (!id.ok()) return id.error();
    return backend_.engine.remove_container(id.value());
  });
}

grpc::ServerUnaryReactor* RuntimeService::ListContainers(grpc::CallbackServerContext* context, const v1::ListContainersRequest* request,
                                                         v1::ListContainersResponse* response) {
  return answer(Lane::read, context, [this, request, response]() -> Result<void> {
    const auto snapshot = backend_.engine.snapshot();
    for (const auto& [id, container] : snapshot->containers)
      if (matches(request->filter(), container))
        *add_item(*response, v1::ListContainersResponse::kContainersFieldNumber) = list_item(container);
    return {};
  });
}

grpc::ServerWriteReactor<v1::StreamContainersResponse>* RuntimeService::StreamContainers(grpc::CallbackServerContext*,
                                                                                         const v1::StreamContainersRequest* request) {
  const auto list = [this, request] {
    std::vector<std::string> out;
    const auto snapshot = backend_.engine.snapshot();
    for (const auto& [id, container] : snapshot->containers)
      if (matches(request->filter(), container)) out.push_back(list_item(container));
    return out;
  };
  return stream_list<v1::StreamContainersResponse>(
      backend_.workers, Lane::read, list, [](auto& m) { return add_item(m, v1::StreamContainersResponse::kContainersFieldNumber); });
}

grpc::ServerUnaryReactor* RuntimeService::ContainerStatus(grpc::CallbackServerContext* context, const v1::ContainerStatusRequest* request,
                                                          v1::ContainerStatusResponse* response) {
  return answer(Lane::read, context, [this, request, response]() -> Result<void> {
    TRY_ASSIGN(const std::string id, container_id(request->container_id()));
    TRY_ASSIGN(const engine::ContainerRecord container, backend_.engine.find_container(id));
    *response->mutable_status() = status_of(container);
    if (request->verbose()) (*response->mutable_info())["info"] = to_json(container, Secrets::hide);
    return {};
  });
}

grpc::ServerUnaryReactor* RuntimeService::UpdateContainerResources(grpc::CallbackServerContext* context,
                                                                   const v1::UpdateContainerResourcesRequest* request,
                                                                   v1::UpdateContainerResourcesResponse* response) {
  return answer_in_time(Lane::operate, context, request, response, [this](const auto& asked, auto&) -> Result<void> {
    if (asked.has_windows()) return fail(Code::invalid_argument, "windows: slipway runs Linux containers only");
    TRY_ASSIGN(const std::string id, container_id(asked.container_id()));
    TRY_ASSIGN(const engine::LinuxResources patch, from_proto(asked.linux()));
    return backend_.engine.update_resources(id, patch);
  });
}

grpc::ServerUnaryReactor* RuntimeService::ReopenContainerLog(grpc::CallbackServerContext* context,
                                                             const v1::ReopenContainerLogRequest* request,
                                                             v1::ReopenContainerLogResponse* response) {
  return answer_in_time(Lane::operate, context, request, response, [this](const auto& asked, auto&) -> Result<void> {
    TRY_ASSIGN(const std::string id, container_id(asked.container_id()));
    return backend_.engine.reopen_log(id);
  });
}

grpc::ServerUnaryReactor* RuntimeService::CheckpointContainer(grpc::CallbackServerContext* context,
                                                              const v1::CheckpointContainerRequest* request,
                                                              v1::CheckpointContainerResponse*) {
  return answer(Lane::wait, context, [this, request]() -> Result<void> {
    if (request->timeout() < 0) return fail(Code::invalid_argument, "timeout: {} is negative", request->timeout());
    TRY_ASSIGN(const std::string id, container_id(request->container_id()));
    return backend_.engine.checkpoint_container(id, request->location(), std::chrono::seconds(request->timeout()));
  });
}

grpc::ServerUnaryReactor* RuntimeService::ExecSync(grpc::CallbackServerContext* context, const v1::ExecSyncRequest* request,
                                                   v1::ExecSyncResponse* response) {
  return answer(Lane::wait, context, [this, request, response]() -> Result<void> {
    if (request->cmd().empty()) return fail(Code::invalid_argument, "cmd: empty");
    if (request->timeout() < 0) return fail(Code::invalid_argument, "timeout: {} is negative", request->timeout());
    TRY_ASSIGN(const std::string id, container_id(request->container_id()));
    TRY_ASSIGN(engine::ExecOutput output,
               backend_.engine.exec_sync(id, to_vector(request->cmd()), std::chrono::seconds(request->timeout())));
    *response = to_proto(std::move(output));
    return {};
  });
}

}  // namespace slipway::cri
