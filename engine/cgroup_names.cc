// Paths and units.
#include "engine/cgroup_names.h"

#include "cgroups/unit_names.h"

namespace slipway::engine {
namespace {

constexpr std::size_t kPodDigits = 40;

std::string short_of(const std::string& pod_id) {
  return pod_id.substr(0, kPodDigits);
}

Result<std::string> plain_pod(const std::string& parent, const std::string& pod_id) {
  const std::string base = parent.empty() ? "/slipway" : parent;
  if (base.front() != '/' || base.find("/../") != std::string::npos || base.ends_with("/..") || base.find('\0') != std::string::npos ||
      base.find('\n') != std::string::npos)
    return fail(Code::invalid_argument, "cgroup_parent '{}' is not an absolute path", parent);
  if (cgroups::is_slice(base))
    return fail(Code::invalid_argument, "cgroup_parent '{}' is a systemd slice, but the cgroup driver is cgroupfs", parent);
  std::string path = base;
  while (path.ends_with('/')) path.pop_back();
  return path + "/" + short_of(pod_id);
}

// "a-b.slice" and "/a.slice/a-b.slice" are the same slice.
Result<std::string> systemd_pod(const std::string& parent, const std::string& pod_id) {
  const std::string base = parent.empty() ? "slipway.slice" : parent;
  if (!cgroups::is_slice(base))
    return fail(Code::invalid_argument, "cgroup_parent '{}' is not a systemd slice, but the cgroup driver is systemd", parent);
  const std::string slice = cgroups::unit_of(base);
  auto path = cgroups::expand_slice(slice);
  if (!path.ok()) return std::move(path).error().within("cgroup_parent '{}'", parent);
  if (base != slice && base != path.value())
    return fail(Code::invalid_argument, "cgroup_parent '{}' is not where systemd has that slice: '{}'", parent, path.value());
  const std::string stem = path.value().empty() ? "" : slice.substr(0, slice.size() - std::string_view(".slice").size()) + "-";
  const std::string unit = stem + short_of(pod_id) + ".slice";
  TRY(cgroups::check_unit_name("the pod's slice", unit).context("cgroup_parent '{}'", parent));
  return path.value() + "/" + unit;
}

}  // namespace

Result<std::string> pod_cgroup(std::string_view driver, const std::string& parent, const std::string& pod_id) {
  return driver == kSystemdDriver ? systemd_pod(parent, pod_id) : plain_pod(parent, pod_id);
}

std::string container_cgroup(const std::string& pod_cgroup, const std::string& container_id, bool scope) {
  if (!scope || !cgroups::is_slice(pod_cgroup)) return pod_cgroup + "/" + container_id;
  return fmt::format("{}/slipway-{}.scope", pod_cgroup, container_id);
}

std::string monitor_cgroup(std::string_view driver, const std::string& pod_id) {
  if (driver != kSystemdDriver) return "/slipway-monitors/" + pod_id;
  return fmt::format("/slipway.slice/slipway-monitors.slice/slipway-monitor-{}.scope", pod_id);
}

}  // namespace slipway::engine
