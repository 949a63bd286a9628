// PodRecord → what List and Status tell of a pod.
#include "cri/to_proto.h"

namespace slipway::cri {
namespace {

v1::NamespaceMode mode_of(engine::NamespaceMode mode) {
  switch (mode) {
    case engine::NamespaceMode::pod: return v1::POD;
    case engine::NamespaceMode::container: return v1::CONTAINER;
    case engine::NamespaceMode::node: return v1::NODE;
    case engine::NamespaceMode::target: return v1::TARGET;
  }
  return v1::POD;
}

void put_mappings(const std::vector<oci::IdMapping>& from, google::protobuf::RepeatedPtrField<v1::IDMapping>* to) {
  for (const auto& mapping : from) {
    auto* out = to->Add();
    out->set_host_id(mapping.host_id);
    out->set_container_id(mapping.container_id);
    out->set_length(mapping.size);
  }
}

void put_namespaces(const engine::NamespaceOptions& from, v1::NamespaceOption* to) {
  to->set_network(mode_of(from.network));
  to->set_pid(mode_of(from.pid));
  to->set_ipc(mode_of(from.ipc));
  to->set_target_id(from.target_id);
  if (!from.userns) return;
  to->mutable_userns_options()->set_mode(v1::POD);
  put_mappings(from.uid_mappings, to->mutable_userns_options()->mutable_uids());
  put_mappings(from.gid_mappings, to->mutable_userns_options()->mutable_gids());
}

}  // namespace

v1::PodSandboxState to_proto(engine::PodState state) {
  return state == engine::PodState::ready ? v1::SANDBOX_READY : v1::SANDBOX_NOTREADY;
}

v1::PodSandboxMetadata to_metadata(const engine::PodMetadata& metadata) {
  v1::PodSandboxMetadata out;
  out.set_name(metadata.name);
  out.set_uid(metadata.uid);
  out.set_namespace_(metadata.namespace_);
  out.set_attempt(metadata.attempt);
  return out;
}

v1::PodSandboxStatus to_status(const engine::PodRecord& pod) {
  v1::PodSandboxStatus out;
  out.set_id(pod.id);
  *out.mutable_metadata() = to_metadata(pod.spec.metadata);
  out.set_state(to_proto(pod.state));
  out.set_created_at(pod.created_at);
  out.mutable_labels()->insert(pod.spec.labels.begin(), pod.spec.labels.end());
  out.mutable_annotations()->insert(pod.spec.annotations.begin(), pod.spec.annotations.end());
  out.set_runtime_handler(pod.spec.runtime_handler);
  auto* network = out.mutable_network();
  // A pod on the host's network has no address of its own, and one that has stopped gave its back.
  if (pod.state == engine::PodState::ready && !pod.ips.empty()) {
    network->set_ip(pod.ips[0]);
    for (std::size_t i = 1; i < pod.ips.size(); ++i) network->add_additional_ips()->set_ip(pod.ips[i]);
  }
  put_namespaces(pod.spec.security.namespaces, out.mutable_linux()->mutable_namespaces()->mutable_options());
  return out;
}

}  // namespace slipway::cri
