// RuntimeService: statistics and metrics of containers and pods.
#include "base/log.h"
#include "cri/metrics.h"
#include "cri/runtime_service.h"
#include "cri/streams.h"
#include "cri/to_proto.h"

namespace slipway::cri {
namespace {

// What ended while the list was being made is left out of it.
template <class T>
std::optional<T> if_there(Result<T> usage) {
  if (usage.ok()) return std::move(usage).take();
  if (usage.error().code != Code::not_found && usage.error().code != Code::failed_precondition) log::warn("{}", usage.error().message);
  return std::nullopt;
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeService::ContainerStats(grpc::CallbackServerContext* context, const v1::ContainerStatsRequest* request,
                                                         v1::ContainerStatsResponse* response) {
  return answer(Lane::operate, context, [this, request, response]() -> Result<void> {
    TRY_ASSIGN(const std::string id, container_id(request->container_id()));
    TRY_ASSIGN(const engine::ContainerUsage usage, backend_.engine.container_usage(id));
    *response->mutable_stats() = to_stats(usage);
    return {};
  });
}

std::vector<v1::ContainerStats> RuntimeService::stats_of(const v1::ContainerStatsFilter& filter) {
  std::vector<v1::ContainerStats> out;
  const auto snapshot = backend_.engine.snapshot();
  for (const auto& [id, container] : snapshot->containers) {
    if (container->state != engine::ContainerState::running || !matches(filter, container)) continue;
    if (const auto usage = if_there(backend_.engine.container_usage(id))) out.push_back(to_stats(*usage));
  }
  return out;
}

grpc::ServerUnaryReactor* RuntimeService::ListContainerStats(grpc::CallbackServerContext* context,
                                                             const v1::ListContainerStatsRequest* request,
                                                             v1::ListContainerStatsResponse* response) {
  return answer(Lane::operate, context, [this, request, response]() -> Result<void> {
    for (auto& stats : stats_of(request->filter())) *response->add_stats() = std::move(stats);
    return {};
  });
}

grpc::ServerWriteReactor<v1::StreamContainerStatsResponse>* RuntimeService::StreamContainerStats(
    grpc::CallbackServerContext*, const v1::StreamContainerStatsRequest* request) {
  return stream_list<v1::StreamContainerStatsResponse>(
      backend_.workers, Lane::operate, [this, request] { return stats_of(request->filter()); },
      [](auto& m) { return m.add_container_stats(); });
}

grpc::ServerUnaryReactor* RuntimeService::PodSandboxStats(grpc::CallbackServerContext* context, const v1::PodSandboxStatsRequest* request,
                                                          v1::PodSandboxStatsResponse* response) {
  return answer(Lane::operate, context, [this, request, response]() -> Result<void> {
    TRY_ASSIGN(const std::string id, pod_id(request->pod_sandbox_id()));
    TRY_ASSIGN(const engine::PodUsage usage, backend_.engine.pod_usage(id, engine::UsageDetail::counters));
    *response->mutable_stats() = to_stats(usage);
    return {};
  });
}

std::vector<engine::PodUsage> RuntimeService::usage_of(const v1::PodSandboxStatsFilter& filter, engine::UsageDetail detail) {
  std::vector<engine::PodUsage> out;
  const auto snapshot = backend_.engine.snapshot();
  for (const auto& [id, pod] : snapshot->pods) {
    if (pod->state != engine::PodState::ready || !matches(filter, pod)) continue;
    if (auto usage = if_there(backend_.engine.pod_usage(id, detail))) out.push_back(std::move(*usage));
  }
  return out;
}

grpc::ServerUnaryReactor* RuntimeService::ListPodSandboxStats(grpc::CallbackServerContext* context,
                                                              const v1::ListPodSandboxStatsRequest* request,
                                                              v1::ListPodSandboxStatsResponse* response) {
  return answer(Lane::operate, context, [this, request, response]() -> Result<void> {
    for (const auto& usage : usage_of(request->filter(), engine::UsageDetail::counters)) *response->add_stats() = to_stats(usage);
    return {};
  });
}

grpc::ServerWriteReactor<v1::StreamPodSandboxStatsResponse>* RuntimeService::StreamPodSandboxStats(
    grpc::CallbackServerContext*, const v1::StreamPodSandboxStatsRequest* request) {
  const auto list = [this, request] {
    std::vector<v1::PodSandboxStats> out;
    for (const auto& usage : usage_of(request->filter(), engine::UsageDetail::counters)) out.push_back(to_stats(usage));
    return out;
  };
  return stream_list<v1::StreamPodSandboxStatsResponse>(backend_.workers, Lane::operate, list,
                                                        [](auto& m) { return m.add_pod_sandbox_stats(); });
}

grpc::ServerUnaryReactor* RuntimeService::ListMetricDescriptors(grpc::CallbackServerContext* context,
                                                                const v1::ListMetricDescriptorsRequest*,
                                                                v1::ListMetricDescriptorsResponse* response) {
  return answer(Lane::read, context, [response]() -> Result<void> {
    *response = metric_descriptors();
    return {};
  });
}

grpc::ServerUnaryReactor* RuntimeService::ListPodSandboxMetrics(grpc::CallbackServerContext* context,
                                                                const v1::ListPodSandboxMetricsRequest*,
                                                                v1::ListPodSandboxMetricsResponse* response) {
  return answer(Lane::operate, context, [this, response]() -> Result<void> {
    for (const auto& usage : usage_of({}, engine::UsageDetail::processes)) *response->add_pod_metrics() = to_metrics(usage);
    return {};
  });
}

grpc::ServerWriteReactor<v1::StreamPodSandboxMetricsResponse>* RuntimeService::StreamPodSandboxMetrics(
    grpc::CallbackServerContext*, const v1::StreamPodSandboxMetricsRequest*) {
  const auto list = [this] {
    std::vector<v1::PodSandboxMetrics> out;
    for (const auto& usage : usage_of({}, engine::UsageDetail::processes)) out.push_back(to_metrics(usage));
    return out;
  };
  return stream_list<v1::StreamPodSandboxMetricsResponse>(backend_.workers, Lane::operate, list,
                                                          [](auto& m) { return m.add_pod_sandbox_metrics(); });
}

}  // namespace slipway::cri
