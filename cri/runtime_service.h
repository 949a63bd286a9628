// CRI's RuntimeService: request → value → engine call → value → reply, a handler each.
//
// Owner: cri::Server. Handlers run on gRPC's threads: they read the snapshot, and post everything else to the workers.
#pragma once

#include "cri/answer.h"
#include "cri/backend.h"
#include "cri/v1/api.grpc.pb.h"

namespace slipway::cri {

namespace v1 = ::runtime::v1;

class RuntimeService final : public v1::RuntimeService::CallbackService {
 public:
  explicit RuntimeService(Backend& backend) : backend_(backend) {}

#define SLIPWAY_UNARY(name) \
  grpc::ServerUnaryReactor* name(grpc::CallbackServerContext*, const v1::name##Request*, v1::name##Response*) override
#define SLIPWAY_STREAM(name, request, response) \
  grpc::ServerWriteReactor<v1::response>* name(grpc::CallbackServerContext*, const v1::request*) override

  // runtime_service_node.cc: about the runtime itself, and the calls that are not there
  SLIPWAY_UNARY(Version);
  SLIPWAY_UNARY(Status);
  SLIPWAY_UNARY(RuntimeConfig);
  SLIPWAY_UNARY(UpdateRuntimeConfig);
  SLIPWAY_UNARY(CheckpointPod);
  SLIPWAY_UNARY(RestorePod);
  SLIPWAY_STREAM(GetContainerEvents, GetEventsRequest, ContainerEventResponse);

  // runtime_service_stats.cc
  SLIPWAY_UNARY(ContainerStats);
  SLIPWAY_UNARY(ListContainerStats);
  SLIPWAY_UNARY(PodSandboxStats);
  SLIPWAY_UNARY(ListPodSandboxStats);
  SLIPWAY_UNARY(ListMetricDescriptors);
  SLIPWAY_UNARY(ListPodSandboxMetrics);
  SLIPWAY_STREAM(StreamContainerStats, StreamContainerStatsRequest, StreamContainerStatsResponse);
  SLIPWAY_STREAM(StreamPodSandboxStats, StreamPodSandboxStatsRequest, StreamPodSandboxStatsResponse);
  SLIPWAY_STREAM(StreamPodSandboxMetrics, StreamPodSandboxMetricsRequest, StreamPodSandboxMetricsResponse);

  // runtime_service_pod.cc
  SLIPWAY_UNARY(UpdatePodSandboxResources);
  SLIPWAY_UNARY(RunPodSandbox);
  SLIPWAY_UNARY(StopPodSandbox);
  SLIPWAY_UNARY(RemovePodSandbox);
  SLIPWAY_UNARY(PodSandboxStatus);
  SLIPWAY_UNARY(ListPodSandbox);
  SLIPWAY_STREAM(StreamPodSandboxes, StreamPodSandboxesRequest, StreamPodSandboxesResponse);

  // runtime_service_stream.cc
  SLIPWAY_UNARY(Exec);
  SLIPWAY_UNARY(Attach);
  SLIPWAY_UNARY(PortForward);

  // runtime_service_container.cc
  SLIPWAY_UNARY(CreateContainer);
  SLIPWAY_UNARY(StartContainer);
  SLIPWAY_UNARY(StopContainer);
  SLIPWAY_UNARY(RemoveContainer);
  SLIPWAY_UNARY(ListContainers);
  SLIPWAY_UNARY(ContainerStatus);
  SLIPWAY_UNARY(UpdateContainerResources);
  SLIPWAY_UNARY(ReopenContainerLog);
  SLIPWAY_UNARY(CheckpointContainer);
  SLIPWAY_UNARY(ExecSync);
  SLIPWAY_STREAM(StreamContainers, StreamContainersRequest, StreamContainersResponse);

#undef SLIPWAY_UNARY
#undef SLIPWAY_STREAM

 private:
  grpc::ServerUnaryReactor* answer(Lane lane, grpc::CallbackServerContext* context, std::function<Result<void>()> work,
                                   const char* handler = __builtin_FUNCTION()) {
    return cri::answer(backend_.workers, lane, context, std::move(work), handler);
  }
  // For what may take longer than its client waits.
  template <class Request, class Response, class Work>
  grpc::ServerUnaryReactor* answer_in_time(Lane lane, grpc::CallbackServerContext* context, const Request* request, Response* response,
                                           Work work, const char* handler = __builtin_FUNCTION()) {
    return cri::answer_in_time(backend_.workers, lane, context, request, response, std::move(work), handler);
  }
  // The id itself where it is a full one, else the only id that begins so.
  Result<std::string> pod_id(const std::string& id) const;
  Result<std::string> container_id(const std::string& id) const;
  v1::ContainerStatus status_of(const engine::ContainerRecord& container) const;
  // Of every running container, every ready pod that the filter takes; what ended meanwhile is left out.
  std::vector<v1::ContainerStats> stats_of(const v1::ContainerStatsFilter& filter);
  std::vector<engine::PodUsage> usage_of(const v1::PodSandboxStatsFilter& filter, engine::UsageDetail detail);

  Backend& backend_;
};

// Stop and Remove of what is not there have nothing to do: CRI wants OK.
inline bool is_absent(const Result<std::string>& id) {
  return !id.ok() && id.error().code == Code::not_found;
}

}  // namespace slipway::cri
