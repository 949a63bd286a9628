// Cgroups for containers: one of our own, or a systemd scope.
#include "runtime/cgroup_place.h"

#include <algorithm>

#include "cgroups/device_bpf.h"
#include "cgroups/plan.h"
#include "cgroups/systemd.h"
#include "cgroups/unit_annotations.h"
#include "cgroups/unit_names.h"
#include "sys/namespace.h"

namespace slipway::runtime {
namespace {

constexpr int kRemoveTimeout = 5'000;  // ms

Result<void> start_scope(const CreateRequest& request, const oci::Resources& resources, CgroupPlace& place, Undo& undo) {
  ScopeRequest scope;
  scope.path = place.path;
  scope.description = "slipway container " + request.id;
  scope.after = request.scope_after;
  scope.resources = &resources;
  TRY_ASSIGN(scope.asked, cgroups::plan_annotated(request.spec->annotations));
  // A limit that is nonsense is told before systemd hears of it.
  TRY(cgroups::plan_writes(resources));
  TRY_ASSIGN(place.scope, Scope::start(scope));
  return undo.add("stop the scope", [path = place.path]() -> Result<void> {
    TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
    return cgroups::kill_and_stop_unit(root, path, kRemoveTimeout);
  });
}

Result<void> make_own(const CreateRequest& request, CgroupPlace& place, Undo& undo) {
  TRY_ASSIGN(cgroups::Root root, cgroups::open_root());
  TRY_ASSIGN(cgroups::Cgroup cgroup, cgroups::Cgroup::create(root, place.path));
  if (cgroup.was_there()) {
    // Limits would be changed under others' feet, and this container's end would be theirs.
    TRY_ASSIGN(const bool taken, cgroup.populated());
    if (taken) return fail(Code::already_exists, "linux.cgroupsPath: '{}' has processes in it already", place.path);
    if (request.cgroup_was_there) TRY(request.cgroup_was_there());
  } else {
    TRY(undo.add("remove the cgroup", [path = place.path]() -> Result<void> {
      TRY_ASSIGN(const cgroups::Root again, cgroups::open_root());
      return cgroups::Cgroup::kill_and_remove(again, path, kRemoveTimeout);
    }));
  }
  place.own = std::move(cgroup);
  return {};
}

bool is_refusal(const Error& error) {
  return error.sys_errno == EACCES || error.sys_errno == EPERM || error.sys_errno == EROFS;
}

// Where nothing was asked for and the usual place is not ours: beside the caller, which may be in a tree that was delegated to it.
Result<void> make_own_somewhere(const CreateRequest& request, CgroupPlace& place, Undo& undo) {
  auto made = make_own(request, place, undo);
  const bool asked = !request.cgroup.empty() || !request.spec->linux_.cgroups_path.empty();
  if (made.ok() || asked || !is_refusal(made.error()) || sys::in_initial_user_namespace()) return made;
  TRY_ASSIGN(const std::string here, cgroups::path_of(0));
  place.path = fmt::format("{}/slipway-{}", here == "/" ? "" : here, request.id);
  return make_own(request, place, undo);
}

Result<void> make_and_limit(const CreateRequest& request, CgroupPlace& place, Undo& undo) {
  static const oci::Resources kNone;
  const oci::Resources& resources = request.spec->linux_.resources ? *request.spec->linux_.resources : kNone;
  auto made =
      request.manager == CgroupManager::systemd ? start_scope(request, resources, place, undo) : make_own_somewhere(request, place, undo);
  if (!made.ok()) {
    if (!may_go_without_cgroup(request)) return made;
    place.path.clear();
    return {};
  }
  TRY(place.cgroup().apply(resources));
  return place.scope ? place.scope->make_room() : Result<void>{};
}

// Whoever wants limits must not believe that there are any; only what holds anyway may be asked for. Device rules are the exception that
// crun makes too: config.json can hardly be without them.
Result<void> refuse_limits(const oci::Spec& spec) {
  if (!spec.linux_.resources) return {};
  TRY_ASSIGN(const auto writes, cgroups::plan_writes(*spec.linux_.resources));
  for (const cgroups::Write& write : writes) {
    if (write.missing == cgroups::Missing::refuse)
      return fail(Code::invalid_argument, "{}: '{}' cannot be set: no cgroup is made (--cgroup-manager disabled)", write.field,
                  write.value);
  }
  return {};
}

}  // namespace

Result<void> apply_device_rules(const oci::Spec& spec, const CgroupPlace& place) {
  if (!place.exists()) return {};
  static const std::vector<oci::DeviceRule> kNone;
  const auto& rules = spec.linux_.resources ? spec.linux_.resources->devices : kNone;
  // systemd may have put a filter of its own on a scope.
  const bool fresh = place.own && !place.own->was_there();
  auto applied = cgroups::apply_devices(place.cgroup().dir(), cgroups::with_defaults(rules), fresh);
  // They are programs in the kernel, which only the machine's root may load. In a user namespace nothing is lost: nodes that are made
  // there do not work, and those that are bound in are there because they were asked for.
  if (!applied.ok() && applied.error().sys_errno == EPERM && !sys::in_initial_user_namespace()) return {};
  return std::move(applied).context("cgroup '{}'", place.path);
}

Result<std::string> cgroup_path(const oci::Spec& spec, const std::string& id, CgroupManager manager) {
  const std::string& asked = spec.linux_.cgroups_path;
  if (manager == CgroupManager::none) return std::string();
  if (manager == CgroupManager::systemd) return cgroups::parse_systemd_path(asked, id);
  return asked.empty() ? "/slipway/" + id : asked;
}

bool may_go_without_cgroup(const CreateRequest& request) {
  if (request.rootless == Rootless::no) return false;
  if (request.rootless == Rootless::automatic && sys::in_initial_user_namespace()) return false;
  if (request.manager == CgroupManager::systemd && !cgroups::plan_annotated(request.spec->annotations).ok()) return false;
  if (!request.spec->linux_.resources) return true;
  const auto writes = cgroups::plan_writes(*request.spec->linux_.resources);
  return writes.ok() && std::ranges::all_of(writes.value(), [](const cgroups::Write& w) { return w.missing == cgroups::Missing::ignore; });
}

Result<void> leave_cgroup(CgroupPlace& place) {
  if (!place.cgroup().was_there()) TRY(place.cgroup().remove(0));
  place.path.clear();
  place.own.reset();
  return {};
}

Result<void> make_cgroup(const CreateRequest& request, CgroupPlace& place, Undo& undo) {
  if (request.manager == CgroupManager::none) return refuse_limits(*request.spec);
  place.path = request.cgroup;
  if (place.path.empty()) {
    TRY_ASSIGN(place.path, cgroup_path(*request.spec, request.id, request.manager));
  }
  return make_and_limit(request, place, undo).context("cgroup '{}'", place.path);
}

}  // namespace slipway::runtime
