// create(): a Spec becomes a container's process, waiting or running.
#include <fcntl.h>
#include <sched.h>

#include <optional>

#include "base/undo.h"
#include "cgroups/cgroup.h"
#include "cgroups/device_bpf.h"
#include "cgroups/systemd.h"
#include "cgroups/unit_names.h"
#include "oci/parse.h"
#include "runtime/capabilities.h"
#include "runtime/launch.h"
#include "runtime/launch_plan.h"
#include "runtime/mount_plan.h"
#include "runtime/mounts.h"
#include "runtime/namespaces.h"
#include "runtime/paths.h"
#include "runtime/process_plan.h"
#include "runtime/root.h"
#include "runtime/runner.h"
#include "runtime/scope.h"
#include "runtime/stage_clock.h"
#include "runtime/user_namespace.h"
#include "sys/file.h"

namespace slipway::runtime {
namespace {

constexpr int kRemoveTimeout = 5'000;

Result<void> check_request(const CreateRequest& request) {
  const oci::Spec& spec = *request.spec;
  if (!spec.process) return fail(Code::invalid_argument, "process: missing");
  if (!request.bundle.starts_with('/')) return fail(Code::invalid_argument, "bundle '{}' is not absolute", request.bundle);
  const bool own_uts = find_namespace(spec, oci::NamespaceType::uts) != nullptr;
  if (!spec.hostname.empty() && !own_uts) return fail(Code::invalid_argument, "hostname: needs a uts namespace in linux.namespaces");
  if (!spec.domainname.empty() && !own_uts) return fail(Code::invalid_argument, "domainname: needs a uts namespace in linux.namespaces");
  return {};
}

// What holds the cgroup until the container's first process is in it.
struct Place {
  std::string path;
  std::optional<Scope> scope;
  std::optional<cgroups::Cgroup> own;
  const cgroups::Cgroup& cgroup() const { return scope ? scope->cgroup() : *own; }
};

Result<void> start_scope(const CreateRequest& request, const oci::Resources& resources, Place& place, Undo& undo) {
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

Result<void> make_own(Place& place, Undo& undo) {
  TRY_ASSIGN(cgroups::Root root, cgroups::open_root());
  TRY_ASSIGN(cgroups::Cgroup cgroup, cgroups::Cgroup::create(root, place.path));
  if (!cgroup.was_there()) {
    TRY(undo.add("remove the cgroup", [path = place.path]() -> Result<void> {
      TRY_ASSIGN(const cgroups::Root again, cgroups::open_root());
      return cgroups::Cgroup::kill_and_remove(again, path, kRemoveTimeout);
    }));
  }
  place.own = std::move(cgroup);
  return {};
}

// Made and limited before anything of the container is in it, so that the least possible is charged to it.
Result<void> make_cgroup(const CreateRequest& request, Place& place, Undo& undo) {
  static const oci::Resources kNone;
  const oci::Resources& resources = request.spec->linux_.resources ? *request.spec->linux_.resources : kNone;
  if (request.manager == CgroupManager::systemd) {
    TRY(start_scope(request, resources, place, undo));
  } else {
    TRY(make_own(place, undo));
  }
  TRY(place.cgroup().apply(resources));
  return cgroups::apply_devices(place.cgroup().dir(), cgroups::with_defaults(resources.devices));
}

Result<void> plan_names(const oci::Spec& spec, LaunchPlan& plan) {
  if (!spec.hostname.empty()) plan.init.hostname = spec.hostname.c_str();
  if (!spec.domainname.empty()) plan.init.domainname = spec.domainname.c_str();
  for (const auto& [name, value] : spec.linux_.sysctl) {
    TRY_ASSIGN(std::string path, oci::sysctl_path(name));
    plan.proc_writes.push_back({plan.keep("sys/" + path), value.c_str(), static_cast<std::uint32_t>(value.size()), false});
  }
  return {};
}

Result<void> plan_root(const CreateRequest& request, const UserNamespace* user, LaunchPlan& plan) {
  const oci::Spec& spec = *request.spec;
  TRY_ASSIGN(const MountPlan mounts, plan_mounts(spec, request.bundle));
  TRY_ASSIGN(sys::DetachedMount root, make_root(spec, request.bundle, request.overlay, user));
  TRY(make_mounts(spec, mounts, root, user, plan));
  TRY(plan_masks(spec, plan));
  init::RootPlan& out = plan.init.root;
  out.fd = plan.own(root.release());
  out.readonly = spec.root && spec.root->readonly;
  out.pivot = !request.no_pivot;
  TRY_ASSIGN(out.propagation, root_propagation(spec));
  const std::string cwd = clean_in_root(spec.process->cwd);
  out.make_directory = cwd.empty() ? nullptr : plan.keep(cwd);
  plan.init.terminal.console = spec.process->terminal;
  return {};
}

// CLONE_NEW… of the first clone.
Result<std::uint64_t> plan_all(const CreateRequest& request, const UserNamespace* user, LaunchPlan& plan) {
  const oci::Spec& spec = *request.spec;
  TRY_ASSIGN(const std::uint64_t namespaces, plan_namespaces(spec, {user, request.pid_process}, plan));
  TRY_ASSIGN(const int last, last_capability());
  TRY(plan_process(*spec.process, spec.linux_.seccomp ? &*spec.linux_.seccomp : nullptr, last, user, plan));
  TRY(plan_names(spec, plan));
  if (request.child_of_parent && !spec.process->oom_score_adj) plan.proc_writes.push_back({"self/oom_score_adj", "0", 1, true});
  if (!plan.proc_writes.empty() || plan.init.time_offsets != nullptr) {
    TRY_ASSIGN(plan.init.proc_fd, open_proc(plan));
  }
  if (request.new_keyring) plan.init.keyring = plan.keep("_ses." + request.id);
  return namespaces;
}

}  // namespace

Result<std::string> cgroup_path(const oci::Spec& spec, const std::string& id, CgroupManager manager) {
  const std::string& asked = spec.linux_.cgroups_path;
  if (manager == CgroupManager::systemd) return cgroups::parse_systemd_path(asked, id);
  return asked.empty() ? "/slipway/" + id : asked;
}

Result<Created> create(const CreateRequest& request) {
  TRY(check_request(request));
  StageClock clock;
  LaunchPlan plan;
  TRY_ASSIGN(const std::optional<UserNamespace> own_user, plan_user_namespace(*request.spec));
  const UserNamespace* user = own_user ? &*own_user : nullptr;
  TRY_ASSIGN(const std::uint64_t namespaces, plan_all(request, user, plan));
  clock.end("plan");
  Undo undo;
  Place place;
  place.path = request.cgroup;
  if (place.path.empty()) {
    TRY_ASSIGN(place.path, cgroup_path(*request.spec, request.id, request.manager));
  }
  TRY(make_cgroup(request, place, undo).context("cgroup '{}'", place.path));
  clock.end("cgroup");
  TRY(plan_root(request, user, plan));
  clock.end("mounts");
  LaunchRequest launch_request;
  launch_request.namespaces = namespaces;
  launch_request.cgroup = place.cgroup().dir().get();
  launch_request.child_of_parent = request.child_of_parent;
  launch_request.stdio = request.stdio;
  launch_request.start_fd = request.start_fd;
  launch_request.preserve_fds = request.preserve_fds;
  TRY_ASSIGN(Launched launched, launch(plan, launch_request));
  clock.end("clone", launched.cloned_at);
  clock.end("init");
  undo.dismiss();
  Created created;
  created.pid = launched.pid;
  created.pidfd = std::move(launched.pidfd);
  created.console = std::move(launched.console);
  created.sync = std::move(launched.sync);
  created.cgroup = place.path;
  created.stages = clock.take();
  return created;
}

}  // namespace slipway::runtime
