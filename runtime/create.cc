// create(): a Spec becomes a container's process, waiting or running.
#include <fcntl.h>
#include <sched.h>

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "base/undo.h"
#include "oci/parse.h"
#include "runtime/capabilities.h"
#include "runtime/cgroup_place.h"
#include "runtime/hooks.h"
#include "runtime/host_root.h"
#include "runtime/intel_rdt.h"
#include "runtime/launch.h"
#include "runtime/launch_plan.h"
#include "runtime/mount_plan.h"
#include "runtime/mounts.h"
#include "runtime/namespaces.h"
#include "runtime/net_devices.h"
#include "runtime/paths.h"
#include "runtime/process_plan.h"
#include "runtime/root.h"
#include "runtime/runner.h"
#include "runtime/scheduling_plan.h"
#include "runtime/seccomp_agent.h"
#include "runtime/stage_clock.h"
#include "runtime/user_namespace.h"
#include "sys/file.h"
#include "sys/namespace.h"

namespace slipway::runtime {
namespace {

Result<void> check_request(const CreateRequest& request) {
  const oci::Spec& spec = *request.spec;
  // Without process there is an environment to wait in, and nothing to start (config.md, "Process").
  if (!spec.process && request.start_fd < 0) return fail(Code::invalid_argument, "process: missing, there is nothing to run");
  if (!request.bundle.starts_with('/')) return fail(Code::invalid_argument, "bundle '{}' is not absolute", request.bundle);
  const bool own_uts = find_namespace(spec, oci::NamespaceType::uts) != nullptr;
  if (!spec.hostname.empty() && !own_uts) return fail(Code::invalid_argument, "hostname: needs a uts namespace in linux.namespaces");
  if (!spec.domainname.empty() && !own_uts) return fail(Code::invalid_argument, "domainname: needs a uts namespace in linux.namespaces");
  return {};
}

const oci::Process& process_of(const oci::Spec& spec) {
  return spec.process ? *spec.process : no_process();
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

Result<void> plan_root(const CreateRequest& request, const MountPlan& mounts, LaunchPlan& plan) {
  const oci::Spec& spec = *request.spec;
  TRY(plan_entries(spec, mounts, plan));
  init::RootPlan& out = plan.init.root;
  out.readonly = spec.root && spec.root->readonly;
  // A hook may want to mount or write in the root: it knows root.path, not where a detached mount goes.
  if (has_create_hooks(spec)) out.attach_at = plan.keep(root_path(spec, request.bundle));
  out.pivot = !request.no_pivot && !out.host_mounts;
  TRY_ASSIGN(out.propagation, root_propagation(spec));
  const std::string cwd = clean_in_root(process_of(spec).cwd);
  out.make_directory = cwd.empty() ? nullptr : plan.keep(cwd);
  plan.init.terminal.console = process_of(spec).terminal;
  return {};
}

// The root and what is mounted in it, all detached.
Result<void> make_root_and_mounts(const CreateRequest& request, const MountPlan& mounts, const UserNamespace* user, LaunchPlan& plan) {
  const oci::Spec& spec = *request.spec;
  TRY_ASSIGN(sys::DetachedMount root, make_root(spec, request.bundle, request.overlay, user));
  TRY(make_mounts(spec, mounts, root, user, request.image_volumes, plan));
  TRY(make_masks(plan));
  plan.init.root.fd = plan.own(root.release());
  return {};
}

// In the order in which init takes them (init/protocol.h).
std::vector<int> awaited_mounts(const LaunchPlan& plan) {
  const init::RootPlan& root = plan.init.root;
  std::vector<int> out = {root.fd};
  if (!plan.masked.empty()) out.insert(out.end(), {root.mask_file, root.mask_directory});
  for (const init::MountEntry& entry : plan.mounts) {
    if (entry.awaited) out.push_back(entry.fd);
  }
  return out;
}

Result<void> plan_host_mounts(const CreateRequest& request, LaunchPlan& plan, Undo& undo) {
  if (!request.host_root_planned)
    return fail(Code::invalid_argument, "linux.namespaces: a mount namespace is needed here, or the host's own mounts would change");
  TRY_ASSIGN(const HostRoot root, plan_host_root(root_path(*request.spec, request.bundle), FdRef(plan.init.root.fd)));
  TRY(request.host_root_planned(root));
  plan.init.root.attach_at = plan.keep(root.path);
  return undo.add("unmount the root", [root] { return unmount_host_root(root); });
}

// CLONE_NEW… of the first clone.
Result<std::uint64_t> plan_all(const CreateRequest& request, const UserNamespace* user, LaunchPlan& plan) {
  const oci::Spec& spec = *request.spec;
  TRY_ASSIGN(const std::uint64_t namespaces, plan_namespaces(spec, {user, request.pid_process}, plan));
  TRY_ASSIGN(const int last, last_capability());
  const oci::Process& process = process_of(spec);
  TRY(plan_process(process, spec.linux_.seccomp ? &*spec.linux_.seccomp : nullptr, last, user, plan));
  TRY(plan_scheduling(process, spec.linux_, plan));
  TRY(plan_names(spec, plan));
  if (request.child_of_parent && !process.oom_score_adj) plan.proc_writes.push_back({"self/oom_score_adj", "0", 1, true});
  if (!plan.proc_writes.empty() || plan.init.time_offsets != nullptr) {
    TRY_ASSIGN(plan.init.proc_fd, open_proc(plan));
  }
  if (request.new_keyring) plan.init.keyring = plan.keep("_ses." + request.id);
  return namespaces;
}

Result<void> make_rdt(const CreateRequest& request, LaunchPlan& plan, Undo& undo) {
  if (!request.spec->linux_.intel_rdt) return {};
  TRY_ASSIGN(Resctrl resctrl, find_resctrl());
  TRY_ASSIGN(plan.rdt, make_rdt_group(resctrl, *request.spec->linux_.intel_rdt, request.id));
  return undo.add("remove the class of service",
                  [resctrl = std::move(resctrl), made = plan.rdt->made] { return remove_rdt_groups(resctrl, made); });
}

Result<void> move_net_devices(const CreateRequest& request, pid_t pid) {
  if (request.spec->linux_.net_devices.empty()) return {};
  TRY_ASSIGN(const UniqueFd network, sys::open_namespace(fmt::format("/proc/{}/ns/net", pid), CLONE_NEWNET));
  return runtime::move_net_devices(*request.spec, network);
}

// The runner has something to do between the environment's making and the change of the root.
bool has_work_outside(const oci::Spec& spec) {
  return has_create_hooks(spec) || !spec.linux_.net_devices.empty() || spec.linux_.intel_rdt;
}

// Whether init may begin without its mounts: nobody needs them before, and all that init is told of them is known. Of what a user
// namespace may not make (device nodes) it is not: in its place come mounts.
// Nor is /proc/PID/ns/user of who holds a user namespace for an id-mapped mount ours to open, once the launch has made us undumpable.
bool mounts_can_wait(const CreateRequest& request, const UserNamespace* user, const MountPlan& mounts, const LaunchPlan& plan) {
  if (std::any_of(mounts.mounts.begin(), mounts.mounts.end(), [](const PlannedMount& mount) { return mount.map_ids; })) return false;
  const bool plain = user == nullptr && plan.init.user_namespace < 0 && plan.init.birth == init::Birth::none;
  return plain && !plan.init.root.host_mounts && !has_work_outside(*request.spec) && sys::in_initial_user_namespace();
}

// The environment is made, the root not changed (config.md: prestart, createRuntime, createContainer).
Result<void> run_create_hooks(const CreateRequest& request, const LaunchPlan& plan, pid_t pid, FdRef pidfd) {
  const oci::Spec& spec = *request.spec;
  TRY(move_net_devices(request, pid));
  if (plan.rdt) TRY(enter_rdt_group(*plan.rdt, pid).context("linux.intelRdt"));
  ContainerRecord record = hook_record(spec, request.id, request.bundle);
  record.pid = pid;
  // "After the start operation is called" (config.md): by then a container is created, and so hooks of this older kind expect it.
  TRY(run_hooks(spec, HookKind::prestart, record, Status::created));
  TRY(run_hooks(spec, HookKind::create_runtime, record, Status::creating));
  HookTarget target;
  target.pid = pid;
  target.pidfd = pidfd.get();
  target.own_users = plan.init.user_namespace >= 0;
  target.own_pids = has_new_namespace(spec, oci::NamespaceType::pid);
  return run_hooks(spec, HookKind::create_container, record, Status::creating, &target);
}

// What hooks of a create that fails have done is poststop's to take back, after everything else.
Result<void> run_poststop(const CreateRequest& request) {
  const ContainerRecord record = hook_record(*request.spec, request.id, request.bundle);
  for (const Error& error : run_hooks_to_end(*request.spec, HookKind::poststop, record, Status::stopped)) log::warn("{}", error.message);
  return {};
}

// Beside init's own work.
Result<void> confine(const CreateRequest& request, const CgroupPlace& place, LaunchPlan& plan) {
  TRY(apply_device_rules(*request.spec, place));
  if (request.meanwhile) TRY(request.meanwhile());
  const auto& seccomp = request.spec->linux_.seccomp;
  return seccomp ? compile_filter(*seccomp, plan) : Result<void>{};
}

LaunchRequest launch_request_of(const CreateRequest& request, const CgroupPlace& place, LaunchPlan& plan, bool* hooks_began) {
  LaunchRequest out;
  out.confine = [&request, &place, &plan] { return confine(request, place, plan); };
  out.child_of_parent = request.child_of_parent;
  out.stdio = request.stdio;
  out.start_fd = request.start_fd;
  out.preserve_fds = request.preserve_fds;
  out.seal = request.seal;
  if (plan.init.filter.listened) {
    out.listener_made = [&request](pid_t pid, FdRef listener) {
      ContainerRecord record = hook_record(*request.spec, request.id, request.bundle);
      record.pid = pid;
      return send_listener(*request.spec->linux_.seccomp, record, Status::creating, pid, listener);
    };
  }
  if (has_work_outside(*request.spec)) {
    out.environment_made = [&request, &plan, hooks_began](pid_t pid, FdRef pidfd) {
      *hooks_began = true;
      return run_create_hooks(request, plan, pid, pidfd);
    };
  }
  return out;
}

}  // namespace

Result<Created> create(const CreateRequest& request) {
  TRY(check_request(request));
  StageClock clock;
  LaunchPlan plan;
  TRY_ASSIGN(const std::optional<UserNamespace> own_user, plan_user_namespace(*request.spec));
  const UserNamespace* user = own_user ? &*own_user : nullptr;
  TRY_ASSIGN(const std::uint64_t namespaces, plan_all(request, user, plan));
  clock.end("plan");
  Undo undo;
  bool hooks_began = false;
  if (request.spec->hooks) TRY(undo.add("run the poststop hooks", [&] { return hooks_began ? run_poststop(request) : Result<void>{}; }));
  CgroupPlace place;
  TRY(make_cgroup(request, place, undo));
  clock.end("cgroup");
  TRY(make_rdt(request, plan, undo).context("linux.intelRdt"));
  TRY_ASSIGN(const MountPlan mounts, plan_mounts(*request.spec, request.bundle));
  TRY(plan_root(request, mounts, plan));
  const auto make_all = [&] { return make_root_and_mounts(request, mounts, user, plan); };
  const bool beside = mounts_can_wait(request, user, mounts, plan);
  if (beside) plan.init.root.awaited = true;
  if (!beside) TRY(make_all());
  if (plan.init.root.host_mounts) TRY(plan_host_mounts(request, plan, undo));
  clock.end("mounts");
  plan.init.hooks = has_work_outside(*request.spec);
  LaunchRequest launch_request = launch_request_of(request, place, plan, &hooks_began);
  launch_request.namespaces = namespaces;
  launch_request.make_mounts = [&]() -> Result<std::vector<int>> {
    TRY(make_all());
    return awaited_mounts(plan);
  };
  if (place.exists()) launch_request.cgroup = place.cgroup().dir().get();
  launch_request.may_leave_cgroup = [&] { return place.own && may_go_without_cgroup(request); };
  TRY_ASSIGN(Launched launched, launch(plan, launch_request));
  if (launched.left_cgroup) TRY(leave_cgroup(place));
  clock.end("clone", launched.cloned_at);
  clock.end("init");
  undo.dismiss();
  Created created;
  created.pid = launched.pid;
  created.pidfd = std::move(launched.pidfd);
  created.console = std::move(launched.console);
  created.sync = std::move(launched.sync);
  created.cgroup = place.path;
  if (plan.rdt) created.resctrl = plan.rdt->made;
  created.cgroup_kept = place.own && place.own->was_there();
  created.stages = clock.take();
  return created;
}

}  // namespace slipway::runtime
