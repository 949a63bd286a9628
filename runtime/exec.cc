// exec(): a further process in a running container.
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroups/cgroup.h"
#include "runtime/capabilities.h"
#include "runtime/container_record.h"
#include "runtime/intel_rdt.h"
#include "runtime/launch.h"
#include "runtime/namespaces.h"
#include "runtime/process_plan.h"
#include "runtime/runner.h"
#include "runtime/scheduling_plan.h"
#include "runtime/seccomp_agent.h"
#include "runtime/stage_clock.h"
#include "runtime/user_namespace.h"
#include "sys/file.h"
#include "sys/namespace.h"
#include "sys/process.h"

namespace slipway::runtime {
namespace {

constexpr int kJoined = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

// The machine's root may join what it is in already. A user namespace's root may not where that is the machine's.
Result<int> joined_namespaces(pid_t pid, bool machines_root) {
  constexpr std::pair<const char*, int> kKinds[] = {{"mnt", CLONE_NEWNS},  {"net", CLONE_NEWNET},       {"ipc", CLONE_NEWIPC},
                                                    {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}, {"pid", CLONE_NEWPID}};
  int joined = kJoined | CLONE_NEWPID;
  for (const auto& [name, flag] : kKinds) {
    if (machines_root) break;
    TRY_ASSIGN(const bool same, sys::shares_namespace(pid, name));
    if (same) joined &= ~flag;
  }
  TRY_ASSIGN(const bool our_time, sys::shares_namespace(pid, "time"));
  return joined | (our_time ? 0 : CLONE_NEWTIME);
}

// What the container itself runs with, not what its runner (a monitor at -999) does.
Result<void> plan_oom_score(const ExecRequest& request, LaunchPlan& plan) {
  if (request.process->oom_score_adj) return {};
  TRY_ASSIGN(std::string value, sys::read_file(fmt::format("/proc/{}/oom_score_adj", request.pid), 16));
  while (!value.empty() && value.back() == '\n') value.pop_back();
  const auto size = static_cast<std::uint32_t>(value.size());
  plan.proc_writes.push_back({"self/oom_score_adj", plan.keep(std::move(value)), size, true, true});
  return {};
}

// The runner goes first, so that the clone is where `initial` says until it is in the container's cgroup.
Result<void> plan_cpus(const oci::Process& process, LaunchPlan& plan) {
  if (!process.exec_cpu_affinity) return {};
  if (!process.exec_cpu_affinity->final.empty()) {
    TRY_ASSIGN(plan.affinity, parse_number_list("process.execCPUAffinity.final", process.exec_cpu_affinity->final));
  }
  if (process.exec_cpu_affinity->initial.empty()) return {};
  TRY_ASSIGN(const std::vector<unsigned long> mask,
             parse_number_list("process.execCPUAffinity.initial", process.exec_cpu_affinity->initial));
  if (::syscall(SYS_sched_setaffinity, 0, mask.size() * sizeof mask[0], mask.data()) != 0)
    return fail_errno(errno, "set process.execCPUAffinity.initial");
  return {};
}

enum class Place { part, container, beside_init };

Result<cgroups::Cgroup> open_cgroup(const ExecRequest& request, Place place) {
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  if (place != Place::beside_init) {
    TRY_ASSIGN(cgroups::Cgroup container, cgroups::Cgroup::open(root, request.cgroup));
    if (place == Place::container) return container;
    return container.make_part(request.part);
  }
  TRY_ASSIGN(const std::string path, cgroups::path_of(request.pid));
  return cgroups::Cgroup::open(root, path);
}

// The PID namespace takes the process last, so that nobody in it sees one that is still half the host's (CVE-2016-9962); a user
// namespace protects it by itself.
Result<void> plan_exec(const ExecRequest& request, int pidfd, LaunchPlan& plan) {
  plan.borrow(pidfd);
  unsigned long ours = 0;
  TRY_ASSIGN(const std::optional<UserNamespace> user, user_namespace_of(request.pid, &ours));
  TRY_ASSIGN(const int joined, joined_namespaces(request.pid, ours == sys::kInitialUserNamespace));
  plan.joins.push_back({pidfd, joined & ~CLONE_NEWPID});
  plan.join_names.push_back("container's");
  if (request.record != nullptr && request.record->host_root) {
    TRY_ASSIGN(UniqueFd root, sys::open_path(fmt::format("/proc/{}/root", request.pid), O_PATH | O_DIRECTORY));
    plan.init.enter_root = plan.own(std::move(root));
  }
  if ((joined & CLONE_NEWPID) != 0) plan.init.pid = {pidfd, CLONE_NEWPID};
  plan.init.birth = user ? init::Birth::early : plan.init.pid.fd >= 0 ? init::Birth::late : init::Birth::none;
  if (user) plan.init.user_namespace = pidfd;
  TRY_ASSIGN(const int last, last_capability());
  const oci::Seccomp* seccomp = request.linux_ != nullptr && request.linux_->seccomp ? &*request.linux_->seccomp : nullptr;
  TRY(plan_process(*request.process, seccomp, last, user ? &*user : nullptr, plan));
  if (!request.program.empty()) plan.candidates = {request.program.c_str()};
  TRY(plan_cpus(*request.process, plan));
  static const oci::Linux kNone;
  TRY(plan_scheduling(*request.process, request.linux_ == nullptr ? kNone : *request.linux_, plan));
  TRY(plan_oom_score(request, plan));
  TRY_ASSIGN(plan.init.proc_fd, open_proc(plan));
  if (request.new_keyring) plan.init.keyring = plan.keep(request.id.empty() ? "" : "_ses." + request.id);
  return {};
}

Result<Launched> launch_in(const ExecRequest& request, LaunchPlan& plan, LaunchRequest& launch_request, Place place) {
  TRY_ASSIGN(const cgroups::Cgroup cgroup, open_cgroup(request, place));
  launch_request.cgroup = cgroup.dir().get();
  auto launched = launch(plan, launch_request);
  if (!launched.ok() && place == Place::part) (void)cgroup.remove(0);
  return launched;
}

// In a cgroup of its own where one is wanted and the container's allows it: one that is threaded or that limits its descendants does not.
// A container may also have made cgroups of its own, with its processes in them: then its cgroup takes none (cgroups(7), "no internal
// processes"), and the new process goes where the container's first one is.
Result<Launched> launch_somewhere(const ExecRequest& request, LaunchPlan& plan, LaunchRequest& launch_request) {
  // A container without a cgroup of its own shares that of its maker, which need not be ours to enter.
  if (request.cgroup.empty()) {
    launch_request.may_leave_cgroup = [] { return true; };
    return cgroups::open_root().ok() ? launch_in(request, plan, launch_request, Place::beside_init) : launch(plan, launch_request);
  }
  if (!request.part.empty()) {
    auto launched = launch_in(request, plan, launch_request, Place::part);
    if (launched.ok() || (launched.error().sys_errno != EAGAIN && launched.error().sys_errno != EOPNOTSUPP)) return launched;
  }
  auto launched = launch_in(request, plan, launch_request, Place::container);
  if (!launched.ok() && launched.error().sys_errno == EBUSY && !request.exact_cgroup)
    return launch_in(request, plan, launch_request, Place::beside_init);
  return launched;
}

// The runner goes in itself: the new process is its child.
Result<void> enter_rdt(const ExecRequest& request) {
  if (request.linux_ == nullptr || !request.linux_->intel_rdt) return {};
  TRY_ASSIGN(const Resctrl resctrl, find_resctrl());
  const std::string& id = request.record != nullptr ? request.record->id : request.id;
  return enter_rdt_group(rdt_group_of(resctrl, *request.linux_->intel_rdt, id), 0);
}

}  // namespace

Result<Created> exec(const ExecRequest& request) {
  StageClock clock;
  UniqueFd own;
  int pidfd = request.pidfd;
  if (pidfd < 0) {
    TRY_ASSIGN(own, sys::pidfd_open(request.pid));
    pidfd = own.get();
  }
  LaunchPlan plan;
  TRY(plan_exec(request, pidfd, plan));
  TRY(enter_rdt(request).context("linux.intelRdt"));
  TRY_ASSIGN(const bool gone, sys::poll_readable(FdRef(pidfd), 0));
  if (gone) return fail(Code::failed_precondition, "the container is not running");
  clock.end("plan");
  LaunchRequest launch_request;
  launch_request.child_of_parent = request.child_of_parent;
  launch_request.stdio = request.stdio;
  launch_request.preserve_fds = request.preserve_fds;
  launch_request.seal = request.seal;
  if (plan.init.filter.wanted) launch_request.confine = [&] { return compile_filter(*request.linux_->seccomp, plan); };
  if (plan.init.filter.listened) {
    if (request.record == nullptr) return fail(Code::internal, "linux.seccomp.listenerPath: nobody said whose process this is");
    launch_request.listener_made = [&request](pid_t pid, FdRef listener) {
      return send_listener(*request.linux_->seccomp, *request.record, Status::running, pid, listener);
    };
  }
  auto launched = launch_somewhere(request, plan, launch_request);
  if (!launched.ok()) return std::move(launched).error();
  clock.end("clone", launched.value().cloned_at);
  clock.end("init");
  Created created;
  created.pid = launched.value().pid;
  created.pidfd = std::move(launched.value().pidfd);
  created.console = std::move(launched.value().console);
  created.sync = std::move(launched.value().sync);
  created.cgroup = request.cgroup;
  auto executed = await_exec(created.sync, created.pid, created.pidfd);
  if (!executed.ok()) {
    end_process(created.pidfd, !request.child_of_parent);
    return std::move(executed).error().within("exec '{}'", request.process->args[0]);
  }
  clock.end("exec");
  created.stages = clock.take();
  return created;
}

}  // namespace slipway::runtime
