// RuntimeService: what the runtime says of itself, and the calls that slipway does not have.
#include "cri/runtime_service.h"
#include "cri/streams.h"

namespace slipway::cri {
namespace {

constexpr const char* kKubeletVersion = "0.1.0";  // the kubelet does not start on anything else

void add_condition(v1::RuntimeStatus* status, const char* type, const engine::Condition& condition) {
  auto* out = status->add_conditions();
  out->set_type(type);
  out->set_status(condition.status);
  out->set_reason(condition.reason);
  out->set_message(condition.message);
}

}  // namespace

grpc::ServerUnaryReactor* RuntimeService::Version(grpc::CallbackServerContext* context, const v1::VersionRequest*,
                                                  v1::VersionResponse* response) {
  return answer(Lane::read, context, [this, response]() -> Result<void> {
    response->set_version(kKubeletVersion);
    response->set_runtime_name("slipway");
    response->set_runtime_version(backend_.facts.version);
    response->set_runtime_api_version("v1");
    return {};
  });
}

grpc::ServerUnaryReactor* RuntimeService::Status(grpc::CallbackServerContext* context, const v1::StatusRequest* request,
                                                 v1::StatusResponse* response) {
  return answer(Lane::read, context, [this, request, response]() -> Result<void> {
    const Facts& facts = backend_.facts;
    add_condition(response->mutable_status(), "RuntimeReady", facts.runtime);
    add_condition(response->mutable_status(), "NetworkReady", backend_.network.ready());
    for (const auto& name : facts.runtime_handlers) {
      auto* handler = response->add_runtime_handlers();
      handler->set_name(name);
      handler->mutable_features()->set_recursive_read_only_mounts(facts.recursive_read_only_mounts);
      handler->mutable_features()->set_user_namespaces(facts.user_namespaces);
    }
    response->mutable_features()->set_supplemental_groups_policy(facts.supplemental_groups_policy);
    response->mutable_features()->set_user_namespaces_host_network(facts.user_namespaces_host_network);
    response->mutable_features()->set_mount_options(facts.mount_options);
    if (request->verbose()) (*response->mutable_info())["config"] = facts.configuration;
    return {};
  });
}

grpc::ServerUnaryReactor* RuntimeService::RuntimeConfig(grpc::CallbackServerContext* context, const v1::RuntimeConfigRequest*,
                                                        v1::RuntimeConfigResponse* response) {
  return answer(Lane::read, context, [this, response]() -> Result<void> {
    response->mutable_linux()->set_cgroup_driver(backend_.facts.cgroup_driver == "systemd" ? v1::SYSTEMD : v1::CGROUPFS);
    return {};
  });
}

#define SLIPWAY_NOT_YET(name, what)                                                                                                     \
  grpc::ServerUnaryReactor* RuntimeService::name(grpc::CallbackServerContext* context, const v1::name##Request*, v1::name##Response*) { \
    return not_yet(context, what);                                                                                                      \
  }
SLIPWAY_NOT_YET(PodSandboxStats, "statistics of whole pods (those of containers are there)")
SLIPWAY_NOT_YET(ListPodSandboxStats, "statistics of whole pods (those of containers are there)")
SLIPWAY_NOT_YET(UpdateRuntimeConfig, "a template to write the pod CIDR into: CNI configuration is the host's")
SLIPWAY_NOT_YET(CheckpointContainer, "checkpoints of containers")
SLIPWAY_NOT_YET(CheckpointPod, "checkpoints of pods")
SLIPWAY_NOT_YET(RestorePod, "restoring of pods")
SLIPWAY_NOT_YET(ListMetricDescriptors, "cAdvisor's metrics over CRI")
SLIPWAY_NOT_YET(ListPodSandboxMetrics, "cAdvisor's metrics over CRI")
SLIPWAY_NOT_YET(UpdatePodSandboxResources, "a record of resized pods")
#undef SLIPWAY_NOT_YET

grpc::ServerWriteReactor<v1::ContainerEventResponse>* RuntimeService::GetContainerEvents(grpc::CallbackServerContext*,
                                                                                         const v1::GetEventsRequest*) {
  return new NotYetStream<v1::ContainerEventResponse>("the stream of container events");
}

grpc::ServerWriteReactor<v1::StreamPodSandboxStatsResponse>* RuntimeService::StreamPodSandboxStats(
    grpc::CallbackServerContext*, const v1::StreamPodSandboxStatsRequest*) {
  return new NotYetStream<v1::StreamPodSandboxStatsResponse>("statistics of whole pods");
}

grpc::ServerWriteReactor<v1::StreamPodSandboxMetricsResponse>* RuntimeService::StreamPodSandboxMetrics(
    grpc::CallbackServerContext*, const v1::StreamPodSandboxMetricsRequest*) {
  return new NotYetStream<v1::StreamPodSandboxMetricsResponse>("cAdvisor's metrics over CRI");
}

}  // namespace slipway::cri
