// The look at the host's cgroups.
#include "slipwayd/host.h"

#include <algorithm>

#include "cgroups/cgroup.h"
#include "cgroups/root.h"

namespace slipway::daemon {
namespace {

constexpr const char* kNeeded[] = {"cpu", "memory", "pids"};

std::string missing_of(const std::vector<std::string>& there) {
  std::string missing;
  for (const char* needed : kNeeded)
    if (std::find(there.begin(), there.end(), needed) == there.end()) missing += (missing.empty() ? "" : ", ") + std::string(needed);
  return missing;
}

engine::Condition not_ready(const std::string& message) {
  return {false, "CgroupsMissing", message};
}

}  // namespace

engine::Condition host_condition() {
  const auto root = cgroups::open_root();
  if (!root.ok()) return not_ready(root.error().message);
  const auto there = cgroups::available_controllers(root.value());
  if (!there.ok()) return not_ready(there.error().message);
  const std::string missing = missing_of(there.value());
  if (missing.empty()) return {true, "", ""};
  return not_ready(fmt::format("cgroup v2 at {} has no controllers {}: they are bound to v1 or disabled (kernel argument cgroup_no_v1=all)",
                               root.value().path, missing));
}

}  // namespace slipway::daemon
