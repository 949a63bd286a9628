// The pod's init.
#include "monitor/pod_init.h"

#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grp.h>
#include <array>
#include <cerrno>
#include <csignal>

#include "sys/file.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace slipway::monitor {
namespace {

constexpr unsigned kNobody = 65535;

// What failed, as static text: the child has no words of its own.
struct Failure {
  const char* what = nullptr;
  int err = 0;
};

struct Report {
  Failure failure;
  pid_t made = 0;  // by the process between monitor and init; 0: from init itself
};

void tell(int socket, const Report& report) {
  (void)::send(socket, &report, sizeof report, MSG_NOSIGNAL);  // `what` points into the text that both programs map alike
}

Failure failed(const char* what) {
  return {what, errno};
}

Failure join(const PodNamespaces& namespaces) {
  for (const UniqueFd* fd : {&namespaces.net, &namespaces.ipc, &namespaces.uts})
    if (fd->valid() && ::setns(fd->get(), 0) != 0) return failed("join the pod's namespaces");
  return {};
}

// The host's mounts would be reachable through /proc/1/root.
Failure empty_root(const char* mountpoint, const char* options) {
  if (::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failed("make its mounts private");
  if (::mount("none", mountpoint, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) != 0) return failed("mount its root");
  if (::chdir(mountpoint) != 0) return failed("enter its root");
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return failed("pivot to its root");
  if (::umount2(".", MNT_DETACH) != 0) return failed("leave the host's root");
  if (::chdir("/") != 0) return failed("enter its root");
  if (::mount("", "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return failed("make its root read-only");
  return {};
}

Failure drop_privileges() {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability) >= 0; ++capability)
    if (::prctl(PR_CAPBSET_DROP, capability) != 0) return failed("drop a capability");
  if (::syscall(SYS_setgroups, 0, nullptr) != 0) return failed("drop its groups");
  if (::syscall(SYS_setresgid, kNobody, kNobody, kNobody) != 0) return failed("change its group");
  if (::syscall(SYS_setresuid, kNobody, kNobody, kNobody) != 0) return failed("change its user");
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> none{};
  if (::syscall(SYS_capset, &header, none.data()) != 0) return failed("drop its capabilities");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("set no_new_privs");
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) return failed("become undumpable");
  // Last: the kernel clears it when the user changes.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return failed("bind its life to the monitor's");
  return {};
}

[[noreturn]] void reap_for_ever() {
  sigset_t all;
  sigfillset(&all);
  (void)::sigprocmask(SIG_SETMASK, &all, nullptr);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) continue;
    (void)::sigwaitinfo(&child, &info);
  }
}

[[noreturn]] void run_init(const PodNamespaces& namespaces, const char* mountpoint, const char* options, int report) {
  (void)::prctl(PR_SET_NAME, "pod-init");
  Failure failure = join(namespaces);
  if (failure.what == nullptr) failure = empty_root(mountpoint, options);
  if (failure.what == nullptr) failure = drop_privileges();
  // 0, 1, 2 are files of the host's too.
  if (report != 0) (void)::close_range(0, static_cast<unsigned>(report) - 1, 0);
  (void)::close_range(static_cast<unsigned>(report) + 1, ~0U, 0);
  tell(report, {failure, 0});
  (void)::close(report);
  if (failure.what != nullptr) ::_exit(1);
  reap_for_ever();
}

long clone_with(std::uint64_t flags, std::uint64_t exit_signal, int* pidfd) {
  clone_args args{};
  args.flags = flags;
  args.pidfd = reinterpret_cast<std::uintptr_t>(pidfd);
  args.exit_signal = exit_signal;
  return ::syscall(SYS_clone3, &args, sizeof args);
}

// PID and mount namespace shall belong to the pod's user namespace, where the monitor does not go: a child of it goes, and makes the init
// as its sibling. It keeps the host's number 0 until it drops its privileges: the pod's directory is open to nobody else.
[[noreturn]] void make_inside(const PodNamespaces& namespaces, const char* mountpoint, const char* options, int report) {
  if (::setns(namespaces.user.get(), CLONE_NEWUSER) != 0) {
    tell(report, {failed("join the user namespace"), 0});
    ::_exit(1);
  }
  const long pid = clone_with(CLONE_NEWPID | CLONE_NEWNS | CLONE_PARENT, 0, nullptr);
  if (pid == 0) run_init(namespaces, mountpoint, options, report);
  tell(report, {pid < 0 ? failed("fork into the user namespace") : Failure{}, static_cast<pid_t>(pid)});
  ::_exit(pid < 0 ? 1 : 0);
}

// The init's word; before or after it the number of an init that another made.
Result<pid_t> hear(FdRef socket, bool made_by_another) {
  pid_t made = 0;
  bool ready = false;
  while (!ready || (made_by_another && made == 0)) {
    Report report;
    const ssize_t n = sys::retry_eintr([&] { return ::recv(socket.get(), &report, sizeof report, 0); });
    if (n != static_cast<ssize_t>(sizeof report)) return fail(Code::internal, "the pod's init ended before it was ready");
    if (report.failure.what != nullptr) return fail_errno(report.failure.err, "the pod's init: {}", report.failure.what);
    if (report.made > 0) made = report.made;
    ready |= report.made == 0;
  }
  return made;
}

}  // namespace

Result<PodInit> start_pod_init(const PodNamespaces& namespaces, const std::string& mountpoint, const std::string& label) {
  TRY_ASSIGN(auto pair, sys::seqpacket_pair());
  const bool inside = namespaces.user.valid();
  std::string options = "size=4k,mode=0555,uid=0,gid=0";
  if (!label.empty()) options += fmt::format(",context=\"{}\"", label);
  int pidfd = -1;
  const long pid = clone_with(CLONE_PIDFD | (inside ? 0 : CLONE_NEWPID | CLONE_NEWNS), SIGCHLD, &pidfd);
  if (pid < 0) return fail_errno(errno, "fork the pod's init");
  if (pid == 0 && inside) make_inside(namespaces, mountpoint.c_str(), options.c_str(), pair.second.get());
  if (pid == 0) run_init(namespaces, mountpoint.c_str(), options.c_str(), pair.second.get());
  pair.second.reset();
  sys::Child child(static_cast<pid_t>(pid), UniqueFd(pidfd));
  TRY_ASSIGN(const pid_t made, hear(pair.first, inside));
  if (!inside) return PodInit{static_cast<pid_t>(pid), child.release()};
  TRY_ASSIGN(UniqueFd own, sys::pidfd_open(made));  // a child of ours: its number is its own until we reap it
  (void)child.wait();
  return PodInit{made, std::move(own)};
}

}  // namespace slipway::monitor
