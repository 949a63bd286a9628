// The proc file system of a PID namespace that this process stays out of (Birth::late).
//
// procfs shows the PID namespace of who calls fsopen(2). Whoever calls it in the namespace can be looked at, and be taken over, by a
// process there with CAP_SYS_PTRACE: so it is a process that has nothing. The porter closes all but a socket and joins; its child is born
// into the namespace with that socket, a user namespace of its own and the container's root, and hands the context back.
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

long fork_with(std::uint64_t namespaces) noexcept {
  clone_args args = {};
  args.flags = namespaces;
  args.exit_signal = SIGCHLD;
  return ::syscall(SYS_clone3, &args, sizeof args);
}

// Its status, or -1.
int wait_for(long pid) noexcept {
  int status = -1;
  long r = 0;
  do {
    r = ::syscall(SYS_wait4, pid, &status, 0, nullptr);
  } while (r < 0 && errno == EINTR);
  return r < 0 ? -1 : status;
}

int receive_descriptor(int socket) noexcept {
  Message message{};
  iovec part = {&message, sizeof message};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  if (n < 0) return -1;
  const cmsghdr* rights = CMSG_FIRSTHDR(&header);
  if (n != static_cast<ssize_t>(sizeof message) || rights == nullptr) {
    errno = n == 0 ? ECHILD : message.error;
    return -1;
  }
  int fd = -1;
  ::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
  return fd;
}

[[noreturn]] void give_up(int socket) noexcept {
  const Message why{Kind::failed, Step::mount_make, 0, errno};
  (void)::send(socket, &why, sizeof why, MSG_NOSIGNAL);
  ::_exit(1);
}

[[noreturn]] void open_inside(int socket) noexcept {
  const int context = ::fsopen("proc", FSOPEN_CLOEXEC);
  if (context < 0) give_up(socket);
  ::_exit(send_descriptor(socket, {Kind::ready, Step::none, 0, 0}, context) == 0 ? 0 : 1);
}

[[noreturn]] void carry(const Join& pid, int socket) noexcept {
  int keep[2] = {pid.fd, socket};
  if (keep[0] > keep[1]) {
    keep[0] = socket;
    keep[1] = pid.fd;
  }
  if (close_except(0, {keep, 2}) != 0 || ::setns(pid.fd, pid.type) != 0) give_up(socket);
  (void)::close(pid.fd);
  long child = fork_with(CLONE_NEWUSER | CLONE_NEWNS);
  // A host may forbid user namespaces (user.max_user_namespaces = 0): then it is only without descriptors.
  if (child < 0 && (errno == ENOSPC || errno == EUSERS || errno == EPERM)) child = fork_with(0);
  if (child < 0) give_up(socket);
  if (child == 0) open_inside(socket);
  ::_exit(wait_for(child) == 0 ? 0 : 1);
}

}  // namespace

int open_proc_context(const Join& pid) noexcept {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return -1;
  const long porter = fork_with(0);
  if (porter == 0) carry(pid, pair[1]);
  (void)::close(pair[1]);
  const int context = porter < 0 ? -1 : receive_descriptor(pair[0]);
  const int why = errno;
  (void)::close(pair[0]);
  if (porter > 0) (void)wait_for(porter);
  errno = why;
  return context;
}

}  // namespace slipway::runtime::init
