// Cgroups for containers: one of our own, or a systemd scope.
#include "runtime/cgroup_place.h"

#include "cgroups/device_bpf.h"
#include "cgroups/systemd.h"
#include "cgroups/unit_names.h"

namespace slipway::runtime {
namespace {

constexpr int kRemoveTimeout = 5'000;  // ms

Result<void> start_scope(const CreateRequest& request, const oci::Resources& resources, CgroupPlace& place, Undo& undo) {
  ScopeRequest scope;
  scope.path = place.path;
  scope.description = "slipway container " + request.id;
  scope.after = request.scope_after;
  scope.resources = &resources;
  // A limit that is nonsense is told before systemd hears of it.
  TRY(cgroups::plan_writes(resources));
  TRY_ASSIGN(place.scope, Scope::start(scope));
  return undo.add("stop the scope", [path = place.path]() -> Result<void> {
    TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
    return cgroups::kill_and_stop_unit(root, path, kRemoveTimeout);
  });
}

Result<void> make_own(CgroupPlace& place, Undo& undo) {
  TRY_ASSIGN(cgroups::Root root, cgroups::open_root());
  TRY_ASSIGN(cgroups::Cgroup cgroup, cgroups::Cgroup::create(root, place.path));
  if (cgroup.was_there()) {
    // Limits would be changed under others' feet, and this container's end would be theirs.
    TRY_ASSIGN(const bool taken, cgroup.populated());
    if (taken) return fail(Code::already_exists, "linux.cgroupsPath: '{}' has processes in it already", place.path);
  } else {
    TRY(undo.add("remove the cgroup", [path = place.path]() -> Result<void> {
      TRY_ASSIGN(const cgroups::Root again, cgroups::open_root());
      return cgroups::Cgroup::kill_and_remove(again, path, kRemoveTimeout);
    }));
  }
  place.own = std::move(cgroup);
  return {};
}

Result<void> make_and_limit(const CreateRequest& request, CgroupPlace& place, Undo& undo) {
  static const oci::Resources kNone;
  const oci::Resources& resources = request.spec->linux_.resources ? *request.spec->linux_.resources : kNone;
  if (request.manager == CgroupManager::systemd) {
    TRY(start_scope(request, resources, place, undo));
  } else {
    TRY(make_own(place, undo));
  }
  return place.cgroup().apply(resources);
}

}  // namespace

Result<void> apply_device_rules(const oci::Spec& spec, const CgroupPlace& place) {
  static const std::vector<oci::DeviceRule> kNone;
  const auto& rules = spec.linux_.resources ? spec.linux_.resources->devices : kNone;
  // systemd may have put a filter of its own on a scope.
  const bool fresh = place.own && !place.own->was_there();
  return cgroups::apply_devices(place.cgroup().dir(), cgroups::with_defaults(rules), fresh).context("cgroup '{}'", place.path);
}

Result<std::string> cgroup_path(const oci::Spec& spec, const std::string& id, CgroupManager manager) {
  const std::string& asked = spec.linux_.cgroups_path;
  if (manager == CgroupManager::systemd) return cgroups::parse_systemd_path(asked, id);
  return asked.empty() ? "/slipway/" + id : asked;
}

Result<void> make_cgroup(const CreateRequest& request, CgroupPlace& place, Undo& undo) {
  place.path = request.cgroup;
  if (place.path.empty()) {
    TRY_ASSIGN(place.path, cgroup_path(*request.spec, request.id, request.manager));
  }
  return make_and_limit(request, place, undo).context("cgroup '{}'", place.path);
}

}  // namespace slipway::runtime
