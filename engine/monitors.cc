// The monitors of all pods: a map under a mutex.
#include "engine/monitors.h"

namespace slipway::engine {

void Monitors::put(const std::string& pod_id, std::shared_ptr<MonitorClient> client) {
  const std::lock_guard lock(mutex_);
  clients_[pod_id] = std::move(client);
}

Result<std::shared_ptr<MonitorClient>> Monitors::find(const std::string& pod_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = clients_.find(pod_id);
  if (found == clients_.end()) return fail(Code::failed_precondition, "pod '{}' has no monitor any more", pod_id);
  return found->second;
}

std::shared_ptr<MonitorClient> Monitors::take(const std::string& pod_id) {
  const std::lock_guard lock(mutex_);
  auto node = clients_.extract(pod_id);
  return node.empty() ? nullptr : std::move(node.mapped());
}

std::vector<std::shared_ptr<MonitorClient>> Monitors::take_all() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<MonitorClient>> all;
  for (auto& [id, client] : clients_) all.push_back(std::move(client));
  clients_.clear();
  return all;
}

}  // namespace slipway::engine
