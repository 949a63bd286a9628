// RuntimeService: what the runtime says of itself, and the calls that slipway does not have.
#include "cri/event_stream.h"
#include "cri/runtime_service.h"

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
    for (const HandlerFacts& known : facts.runtime_handlers) {
      auto* handler = response->add_runtime_handlers();
      handler->set_name(known.name);
      handler->mutable_features()->set_recursive_read_only_mounts(known.recursive_read_only_mounts);
      handler->mutable_features()->set_user_namespaces(known.user_namespaces);
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

grpc::ServerUnaryReactor* RuntimeService::UpdateRuntimeConfig(grpc::CallbackServerContext* context,
                                                              const v1::UpdateRuntimeConfigRequest* request,
                                                              v1::UpdateRuntimeConfigResponse*) {
  return answer(Lane::operate, context, [this, request]() -> Result<void> {
    const std::string& cidrs = request->runtime_config().network_config().pod_cidr();
    if (cidrs.empty()) return {};  // the kubelet calls this before its node has one, too
    return backend_.network.set_pod_cidrs(cidrs);
  });
}

#define SLIPWAY_NOT_THERE(name, what)                                                                                                   \
  grpc::ServerUnaryReactor* RuntimeService::name(grpc::CallbackServerContext* context, const v1::name##Request*, v1::name##Response*) { \
    return not_there(context, what);                                                                                                    \
  }
SLIPWAY_NOT_THERE(CheckpointPod, "checkpoints of pods")
SLIPWAY_NOT_THERE(RestorePod, "restoring of pods")
#undef SLIPWAY_NOT_THERE

grpc::ServerWriteReactor<v1::ContainerEventResponse>* RuntimeService::GetContainerEvents(grpc::CallbackServerContext*,
                                                                                         const v1::GetEventsRequest*) {
  return EventStream::start(backend_);
}

}  // namespace slipway::cri
