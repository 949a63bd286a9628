// Which records a List asks for.
#include "cri/to_proto.h"

namespace slipway::cri {
namespace {

template <class Selector>
bool labels_match(const Selector& selector, const engine::Labels& labels) {
  for (const auto& [key, value] : selector) {
    const auto found = labels.find(key);
    if (found == labels.end() || found->second != value) return false;
  }
  return true;
}

bool has_prefix(const std::string& id, const std::string& prefix) {
  return id.compare(0, prefix.size(), prefix) == 0;
}

}  // namespace

bool matches(const v1::PodSandboxFilter& filter, const engine::PodRecord& pod) {
  if (!has_prefix(pod.id, filter.id())) return false;
  if (filter.has_state() && (filter.state().state() == v1::SANDBOX_READY) != (pod.state == engine::PodState::ready)) return false;
  return labels_match(filter.label_selector(), pod.spec.labels);
}

bool matches(const v1::ContainerFilter& filter, const engine::ContainerRecord& container) {
  if (!has_prefix(container.id, filter.id()) || !has_prefix(container.pod_id, filter.pod_sandbox_id())) return false;
  if (filter.has_state() && static_cast<int>(filter.state().state()) != static_cast<int>(container.state)) return false;
  return labels_match(filter.label_selector(), container.spec.labels);
}

bool matches(const v1::ContainerStatsFilter& filter, const engine::ContainerRecord& container) {
  return has_prefix(container.id, filter.id()) && has_prefix(container.pod_id, filter.pod_sandbox_id()) &&
         labels_match(filter.label_selector(), container.spec.labels);
}

bool matches(const v1::PodSandboxStatsFilter& filter, const engine::PodRecord& pod) {
  return has_prefix(pod.id, filter.id()) && labels_match(filter.label_selector(), pod.spec.labels);
}

}  // namespace slipway::cri
