// A new pty in the container's own devpts: never a terminal of the host's.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "base/weaken.h"
#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

// The slave comes from the master by ioctl, not by a name that somebody may swap (CVE-2025-52565).
int open_pair(int root, int* master) noexcept {
  *master = open_in_root(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY, RESOLVE_NO_SYMLINKS);
  if (*master < 0) return -1;
  struct statfs fs = {};
  if (::fstatfs(*master, &fs) != 0) return -1;
  if (fs.f_type != DEVPTS_SUPER_MAGIC) {
    errno = ENOTTY;
    return -1;
  }
  int unlocked = 0;
  if (::ioctl(*master, TIOCSPTLCK, &unlocked) != 0) return -1;
  return ::ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

int bind_console(int root, int slave) noexcept {
  const int clone = ::open_tree(slave, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (clone < 0) return -1;
  const int target = open_target(root, "dev/console", false, weakened(Defence::console_target) ? 0 : RESOLVE_NO_SYMLINKS);
  if (target < 0) return -1;
  return ::move_mount(clone, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

}  // namespace

int send_descriptor(int socket, const Message& message, int fd) noexcept {
  iovec part = {const_cast<Message*>(&message), sizeof message};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  ::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  return ::sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

Failure open_terminal(const InitPlan& plan, Progress& progress) noexcept {
  if (!plan.terminal.wanted) return {};
  // setns(CLONE_NEWNS) leaves a joining process standing in the container's root.
  const int root = plan.root.fd >= 0 ? plan.root.fd : AT_FDCWD;
  int master = -1;
  const int slave = open_pair(root, &master);
  if (slave < 0) return failed(Step::terminal_open);
  if (plan.terminal.rows != 0 || plan.terminal.columns != 0) {
    winsize size = {};
    size.ws_row = plan.terminal.rows;
    size.ws_col = plan.terminal.columns;
    if (::ioctl(master, TIOCSWINSZ, &size) != 0) return failed(Step::terminal_open, 1);
  }
  if (::fchown(slave, plan.uid, static_cast<gid_t>(-1)) != 0) return failed(Step::terminal_open, 2);
  if (send_descriptor(plan.sync_fd, {Kind::console, Step::none, 0, 0}, master) != 0) return failed(Step::terminal_send);
  (void)::close(master);
  if (plan.terminal.console && bind_console(root, slave) != 0) return failed(Step::terminal_console);
  progress.terminal = slave;
  return {};
}

// By the standard input, which it is by now.
Failure control_terminal(const InitPlan&, Progress& progress) noexcept {
  if (progress.terminal >= 0 && ::ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) return failed(Step::terminal_control);
  return {};
}

}  // namespace slipway::runtime::init
