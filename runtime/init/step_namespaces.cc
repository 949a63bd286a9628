// Signals, session, keyring, namespaces and what is set in them by name.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/weaken.h"
#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

// oom_score_adj goes below what the machine's root left only by its word: refused although the capability is there, in a user namespace.
bool may_be_refused(const ProcWrite& w) noexcept {
  const int why = errno;
  const bool may = why == EACCES && w.lowers_oom_score && has_capability(CAP_SYS_RESOURCE);
  errno = why;
  return may;
}

Failure write_some(const InitPlan& plan, bool own) noexcept {
  std::uint32_t index = 0;
  for (const ProcWrite& w : plan.proc_writes) {
    if (w.own == own) {
      const int fd = open_proc(plan.proc_fd, w.path);
      if (fd < 0) return failed(Step::proc_write, index);
      const bool written = ::write(fd, w.value, w.size) == static_cast<ssize_t>(w.size);
      if (!written && !may_be_refused(w)) return failed(Step::proc_write, index);
      (void)::close(fd);
    }
    ++index;
  }
  return {};
}

}  // namespace

int open_proc(int proc, const char* path) noexcept {
  open_how how{};
  how.flags = O_WRONLY | O_CLOEXEC;
  // Nothing mounted over a part of /proc can catch the write (CVE-2025-52881). "self" is an ordinary link inside.
  how.resolve = weakened(Defence::proc_beneath) ? 0 : RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, proc, path, &how, sizeof how));
}

Failure enter_cgroup(const InitPlan& plan, Progress&) noexcept {
  if (plan.enter_cgroup < 0) return {};
  if (::write(plan.enter_cgroup, "0", 1) != 1) return failed(Step::enter_cgroup);
  (void)::close(plan.enter_cgroup);
  return {};
}

Failure unblock_signals(const InitPlan&, Progress&) noexcept {
  sigset_t none;
  ::sigemptyset(&none);
  return ::sigprocmask(SIG_SETMASK, &none, nullptr) == 0 ? Failure{} : failed(Step::signals);
}

Failure new_session(const InitPlan&, Progress&) noexcept {
  if (weakened(Defence::new_session)) return {};
  return ::setsid() < 0 ? failed(Step::session) : Failure{};
}

Failure join_keyring(const InitPlan& plan, Progress&) noexcept {
  // A kernel without keyrings has none to leak.
  if (plan.keyring == nullptr) return {};
  const char* name = plan.keyring[0] == '\0' ? nullptr : plan.keyring;
  if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) < 0 && errno != ENOSYS) return failed(Step::keyring);
  return {};
}

Failure join_namespaces(const InitPlan& plan, Progress&) noexcept {
  std::uint32_t index = 0;
  for (const Join& join : plan.joins) {
    if (::setns(join.fd, join.type) != 0) return failed(Step::join_namespace, index);
    ++index;
  }
  return {};
}

Failure own_cgroup_namespace(const InitPlan& plan, Progress&) noexcept {
  // Not by clone3: the namespace's root is the cgroup of who makes it, and that is this process, not its runner.
  if (plan.new_cgroup_namespace && ::unshare(CLONE_NEWCGROUP) != 0) return failed(Step::cgroup_namespace);
  return {};
}

// As runc and crun do: a namespace of its own without a network still has its localhost.
Failure raise_loopback(const InitPlan& plan, Progress&) noexcept {
  if (!plan.raise_loopback) return {};
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed(Step::loopback);
  ifreq request = {};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP;
  return ::ioctl(fd, SIOCSIFFLAGS, &request) == 0 ? Failure{} : failed(Step::loopback, 1);
}

Failure set_names(const InitPlan& plan, Progress&) noexcept {
  if (plan.hostname != nullptr && ::sethostname(plan.hostname, ::strlen(plan.hostname)) != 0) return failed(Step::hostname);
  if (plan.domainname != nullptr && ::setdomainname(plan.domainname, ::strlen(plan.domainname)) != 0) return failed(Step::domainname);
  return {};
}

Failure write_own_proc(const InitPlan& plan, Progress&) noexcept {
  return write_some(plan, true);
}

Failure write_proc(const InitPlan& plan, Progress&) noexcept {
  return write_some(plan, false);
}

}  // namespace slipway::runtime::init
