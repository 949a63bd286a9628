// Handlers by name, what goes with them into a specification.
#include "engine/runtime_handlers.h"

#include <algorithm>

#include "cgroups/unit_names.h"

namespace slipway::engine {

const RuntimeHandler* RuntimeHandlers::find(std::string_view name) const {
  const auto found = std::find_if(all.begin(), all.end(), [&](const RuntimeHandler& handler) { return handler.name == name; });
  return found == all.end() ? nullptr : &*found;
}

Result<std::string> RuntimeHandlers::resolve(const std::string& runtime_handler) const {
  const std::string& name = runtime_handler.empty() ? default_name : runtime_handler;
  if (find(name) != nullptr) return name;
  std::string names;
  for (const RuntimeHandler& handler : all) names += (names.empty() ? "'" : ", '") + handler.name + "'";
  return fail(Code::invalid_argument, "runtime_handler: '{}' is not configured; there are {}", name, names);
}

bool lets_through(const std::vector<std::string>& names, std::string_view name) {
  // By these a runtime is told what to do on the host: systemd's properties, criu's configuration, crun's own.
  static constexpr std::string_view kCommanding[] = {"org.systemd.property.", "org.criu.", "run.oci."};
  const auto* const commanding = std::ranges::find_if(kCommanding, [&](std::string_view prefix) { return name.starts_with(prefix); });
  return std::any_of(names.begin(), names.end(), [&](std::string_view pattern) {
    if (!pattern.ends_with('*')) return pattern == name;
    pattern.remove_suffix(1);
    if (commanding != std::end(kCommanding) && !pattern.starts_with(*commanding)) return false;
    return name.starts_with(pattern);
  });
}

std::string foreign_cgroups_path(const std::string& cgroup) {
  if (!cgroups::is_scope(cgroup)) return cgroup;
  constexpr std::string_view kScope = ".scope";
  const std::string unit = cgroups::unit_of(cgroup);
  const std::size_t dash = unit.find('-');
  const std::string slice = cgroups::unit_of(cgroup.substr(0, cgroup.rfind('/')));
  return fmt::format("{}:{}:{}", slice, unit.substr(0, dash), unit.substr(dash + 1, unit.size() - dash - 1 - kScope.size()));
}

}  // namespace slipway::engine
