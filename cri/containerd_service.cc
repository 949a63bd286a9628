// containerd's three calls.
#include "cri/containerd_service.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/time.h"
#include "cri/to_proto.h"

namespace slipway::cri {
namespace {

constexpr std::string_view kNamespace = "k8s.io";
constexpr const char* kSpecType = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

// containerd keeps containers by namespaces; the kubelet's are in one.
Result<void> check_namespace(const grpc::CallbackServerContext& context, const std::string& id) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("containerd-namespace");
  if (found == metadata.end()) return fail(Code::failed_precondition, "namespace is required");
  const std::string_view name(found->second.data(), found->second.size());
  if (name != kNamespace) return fail(Code::not_found, "container \"{}\" in namespace \"{}\": not found", id, name);
  return {};
}

Error absent(const std::string& id) {
  return fail(Code::not_found, "container \"{}\" in namespace \"{}\": not found", id, kNamespace);
}

void put_time(UnixNanos time, google::protobuf::Timestamp* out) {
  out->set_seconds(time / 1'000'000'000);
  out->set_nanos(static_cast<std::int32_t>(time % 1'000'000'000));
}

// The parts of the specification that clients look at.
nlohmann::json spec_of(const std::string& cgroup, nlohmann::json annotations, nlohmann::json environment) {
  return {{"ociVersion", "1.2.0"},
          {"process", {{"cwd", "/"}, {"args", nlohmann::json::array()}, {"env", std::move(environment)}}},
          {"annotations", std::move(annotations)},
          {"linux", {{"cgroupsPath", cgroup}}}};
}

nlohmann::json annotations_of(const engine::PodRecord& pod, const char* type) {
  return {{"io.kubernetes.cri.container-type", type},
          {"io.kubernetes.cri.sandbox-id", pod.id},
          {"io.kubernetes.cri.sandbox-name", pod.spec.metadata.name},
          {"io.kubernetes.cri.sandbox-namespace", pod.spec.metadata.namespace_},
          {"io.kubernetes.cri.sandbox-uid", pod.spec.metadata.uid}};
}

void put_spec(const nlohmann::json& spec, google::protobuf::Any* out) {
  out->set_type_url(kSpecType);
  out->set_value(spec.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void put(const engine::PodRecord& pod, compat::containers::Container* out) {
  out->set_id(pod.id);
  out->mutable_labels()->insert(pod.spec.labels.begin(), pod.spec.labels.end());
  (*out->mutable_labels())["io.cri-containerd.kind"] = "sandbox";
  out->mutable_runtime()->set_name("slipway");
  put_spec(spec_of(pod.cgroup, annotations_of(pod, "sandbox"), nlohmann::json::array()), out->mutable_spec());
  put_time(pod.created_at, out->mutable_created_at());
  put_time(pod.created_at, out->mutable_updated_at());
  out->set_sandbox(pod.id);
}

void put(const engine::PodRecord& pod, const engine::ContainerRecord& container, compat::containers::Container* out) {
  out->set_id(container.id);
  out->mutable_labels()->insert(container.spec.labels.begin(), container.spec.labels.end());
  (*out->mutable_labels())["io.cri-containerd.kind"] = "container";
  out->set_image(written_image(container.spec));
  out->mutable_runtime()->set_name("slipway");
  auto annotations = annotations_of(pod, "container");
  annotations["io.kubernetes.cri.container-name"] = container.spec.metadata.name;
  annotations["io.kubernetes.cri.image-name"] = written_image(container.spec);
  nlohmann::json environment = nlohmann::json::array();
  for (const auto& [name, value] : container.spec.envs) environment.push_back(name + "=" + value);
  put_spec(spec_of(container.cgroup, std::move(annotations), std::move(environment)), out->mutable_spec());
  put_time(container.created_at, out->mutable_created_at());
  put_time(container.created_at, out->mutable_updated_at());
  out->set_sandbox(container.pod_id);
}

// Monitors that were started before this socket was asked for are in the host's namespace.
bool is_in(std::uint32_t pid, const std::string& netns) {
  if (pid == 0) return false;
  struct stat of_process {
  }, wanted{};
  if (::stat(fmt::format("/proc/{}/ns/net", pid).c_str(), &of_process) != 0) return false;
  if (netns.empty()) return true;  // the host's
  return ::stat(netns.c_str(), &wanted) == 0 && of_process.st_dev == wanted.st_dev && of_process.st_ino == wanted.st_ino;
}

std::uint32_t process_of(const engine::Snapshot& snapshot, const engine::PodRecord& pod) {
  if (pod.state != engine::PodState::ready) return 0;
  if (is_in(pod.monitor_pid, pod.netns)) return pod.monitor_pid;
  for (const auto& [id, container] : snapshot.containers)
    if (container->pod_id == pod.id && container->state == engine::ContainerState::running && is_in(container->pid, pod.netns))
      return container->pid;
  return 0;
}

Result<void> find_process(const engine::Snapshot& snapshot, const std::string& id, compat::tasks::Process* out) {
  out->set_container_id(id);
  if (const auto pod = snapshot.pods.find(id); pod != snapshot.pods.end()) {
    out->set_pid(process_of(snapshot, *pod->second));
    out->set_status(compat::tasks::RUNNING);
  } else if (const auto container = snapshot.containers.find(id); container != snapshot.containers.end()) {
    const bool created = container->second->state == engine::ContainerState::created;
    if (created || container->second->state == engine::ContainerState::running) out->set_pid(container->second->pid);
    out->set_status(created ? compat::tasks::CREATED : compat::tasks::RUNNING);
  }
  if (out->pid() == 0) return fail(Code::not_found, "no running task found: task {} not found: not found", id);
  return {};
}

}  // namespace

grpc::ServerUnaryReactor* ContainersService::Get(grpc::CallbackServerContext* context,
                                                 const compat::containers::GetContainerRequest* request,
                                                 compat::containers::GetContainerResponse* response) {
  return answer(backend_.workers, Lane::read, context, [this, context, request, response]() -> Result<void> {
    TRY(check_namespace(*context, request->id()));
    const auto snapshot = backend_.engine.snapshot();
    if (const auto pod = snapshot->pods.find(request->id()); pod != snapshot->pods.end()) {
      put(pod->second, response->mutable_container());
      return {};
    }
    const auto container = snapshot->containers.find(request->id());
    if (container == snapshot->containers.end()) return absent(request->id());
    const auto pod = snapshot->pods.find(container->second->pod_id);
    if (pod == snapshot->pods.end()) return absent(request->id());
    put(pod->second, container->second, response->mutable_container());
    return {};
  });
}

grpc::ServerUnaryReactor* TasksService::Get(grpc::CallbackServerContext* context, const compat::tasks::GetRequest* request,
                                            compat::tasks::GetResponse* response) {
  return answer(backend_.workers, Lane::read, context, [this, context, request, response]() -> Result<void> {
    TRY(check_namespace(*context, request->container_id()));
    if (!request->exec_id().empty()) return fail(Code::not_found, "process {}: not found", request->exec_id());
    return find_process(*backend_.engine.snapshot(), request->container_id(), response->mutable_process());
  });
}

grpc::ServerUnaryReactor* VersionService::Version(grpc::CallbackServerContext* context, const google::protobuf::Empty*,
                                                  compat::version::VersionResponse* response) {
  return answer(backend_.workers, Lane::read, context, [this, response]() -> Result<void> {
    response->set_version(backend_.facts.version);
    return {};
  });
}

}  // namespace slipway::cri
