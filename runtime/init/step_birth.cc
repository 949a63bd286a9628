// The second clone: into a user namespace, which clone3 into a cgroup does not allow, or into somebody else's PID namespace, unseen until
// late.
//
//   runner ── clone3 into the cgroup ──▶ first process: the host's root, outside the container's user and PID namespaces
//                                          ── clone3(CLONE_PARENT) ──▶ the container's process, the runner's (or its parent's) child
//     ◀── born + pidfd ─────────────────── ends
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

int set_time_offsets(const InitPlan& plan) noexcept {
  if (::unshare(CLONE_NEWTIME) != 0) return -1;
  if (plan.time_offsets == nullptr) return 0;
  const int fd = open_proc(plan.proc_fd, "self/timens_offsets");
  if (fd < 0) return -1;
  const auto size = static_cast<ssize_t>(::strlen(plan.time_offsets));
  if (::write(fd, plan.time_offsets, static_cast<std::size_t>(size)) != size) return -1;
  return ::close(fd);
}

// Returns in the child. The parent tells who it is and ends.
Failure be_born(const InitPlan& plan) noexcept {
  clone_args args = {};
  int pidfd = -1;
  // CLONE_PARENT takes no exit signal: the child has its maker's, which the runner set.
  args.flags = plan.birth_namespaces | CLONE_PARENT | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return failed(Step::birth);
  if (pid == 0) return {};
  const Message born{Kind::born, Step::none, static_cast<std::uint32_t>(pid), 0};
  // A runner that is gone is noticed by the child as well, by its `ready`.
  (void)send_descriptor(plan.sync_fd, born, pidfd);
  ::_exit(0);
}

}  // namespace

// The PID namespace before the user namespace: its owner may be the host's. The time namespace after it, so that it is its own.
Failure enter_user_namespace(const InitPlan& plan, Progress&) noexcept {
  if (plan.birth == Birth::early && plan.pid.fd >= 0 && ::setns(plan.pid.fd, plan.pid.type) != 0) return failed(Step::pid_namespace);
  if (plan.user_namespace >= 0 && ::setns(plan.user_namespace, CLONE_NEWUSER) != 0) return failed(Step::user_namespace);
  if (plan.new_time_namespace && set_time_offsets(plan) != 0) return failed(Step::time_namespace);
  if (plan.user_namespace < 0) return {};
  // Still the host's 0, which the namespace does not know: its own 0 owns what is made from here on.
  if (::syscall(SYS_setresgid, 0, 0, 0) != 0) return failed(Step::user_namespace, 1);
  if (::syscall(SYS_setresuid, 0, 0, 0) != 0) return failed(Step::user_namespace, 2);
  hide();
  return {};
}

Failure be_born_early(const InitPlan& plan, Progress&) noexcept {
  return plan.birth == Birth::early ? be_born(plan) : Failure{};
}

Failure join_pid(const InitPlan& plan, Progress&) noexcept {
  return plan.birth == Birth::late && ::setns(plan.pid.fd, plan.pid.type) != 0 ? failed(Step::pid_namespace) : Failure{};
}

Failure be_born_late(const InitPlan& plan, Progress&) noexcept {
  return plan.birth == Birth::late ? be_born(plan) : Failure{};
}

}  // namespace slipway::runtime::init
