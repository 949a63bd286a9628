// The look at the host's cgroups.
#include "slipwayd/host.h"

#include <sstream>

#include "cgroups/root.h"
#include "sys/file.h"

namespace slipway::daemon {
namespace {

constexpr const char* kNeeded[] = {"cpu", "memory", "pids"};

std::string missing_of(const std::string& there) {
  std::string missing;
  for (const std::string needed : kNeeded) {
    std::istringstream words(there);
    bool found = false;
    for (std::string word; words >> word;) found = found || word == needed;
    if (!found) missing += (missing.empty() ? "" : ", ") + needed;
  }
  return missing;
}

engine::Condition not_ready(const std::string& message) {
  return {false, "CgroupsMissing", message};
}

}  // namespace

engine::Condition host_condition() {
  constexpr std::size_t kLimit = 4096;
  const auto root = cgroups::open_root();
  if (!root.ok()) return not_ready(root.error().message);
  const auto there = sys::read_file_at(root.value().dir, "cgroup.controllers", kLimit);
  if (!there.ok()) return not_ready(there.error().message);
  const std::string missing = missing_of(there.value());
  if (missing.empty()) return {true, "", ""};
  return not_ready(fmt::format("cgroup v2 at {} has no controllers {}: they are bound to v1 or disabled (kernel argument cgroup_no_v1=all)",
                               root.value().path, missing));
}

}  // namespace slipway::daemon
