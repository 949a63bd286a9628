// Console sockets, the relay, signals of a foreground container.
#include "runtime/command/console.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <vector>

#include "sys/file.h"
#include "sys/socket.h"

namespace slipway::runtime::command {
namespace {

// Our terminal in raw mode, put back at the end.
class RawTerminal {
 public:
  RawTerminal() {
    if (::tcgetattr(STDIN_FILENO, &saved_) != 0) return;
    active_ = true;
    termios raw = saved_;
    ::cfmakeraw(&raw);
    (void)::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  ~RawTerminal() {
    if (active_) (void)::tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  bool active() const { return active_; }

 private:
  termios saved_{};
  bool active_ = false;
};

void copy_size(FdRef master) {
  winsize size = {};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) (void)::ioctl(master.get(), TIOCSWINSZ, &size);
}

Result<UniqueFd> open_signals() {
  sigset_t all;
  ::sigfillset(&all);
  UniqueFd fd(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno(errno, "open a signal descriptor");
  return fd;
}

// SIGCHLD is the end of the process itself, which its pidfd tells; SIGWINCH is the relay's.
void forward_signals(FdRef signals, FdRef pidfd, const FdRef* master) {
  signalfd_siginfo info = {};
  while (::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGWINCH && master != nullptr) copy_size(*master);
    if (signal == SIGCHLD || signal == SIGURG || (signal == SIGWINCH && master != nullptr)) continue;
    (void)sys::pidfd_send_signal(pidfd, signal);
  }
}

// One read's worth; false at the end of the source.
bool pump(int from, int to) {
  char buffer[16384];
  const ssize_t n = sys::retry_eintr([&] { return ::read(from, buffer, sizeof buffer); });
  if (n <= 0) return false;
  return sys::write_all(FdRef(to), {buffer, static_cast<std::size_t>(n)}).ok();
}

}  // namespace

namespace {

Result<void> send_descriptor(std::string_view flag, const std::string& socket_path, std::string_view name, FdRef descriptor) {
  TRY_ASSIGN(const UniqueFd socket, sys::connect_unix(socket_path, SOCK_STREAM).context("--{}", flag));
  const int fd = descriptor.get();
  return sys::send_packet(socket, name, {&fd, 1}).context("--{}", flag);
}

}  // namespace

Result<void> send_console(const std::string& socket_path, FdRef master) {
  return send_descriptor("console-socket", socket_path, "/dev/pts/ptmx", master);
}

Result<void> send_pidfd(const std::string& socket_path, ProcessKind kind, FdRef pidfd) {
  return send_descriptor("pidfd-socket", socket_path, kind == ProcessKind::first ? "standard" : "setns", pidfd);
}

Result<void> block_signals() {
  sigset_t all;
  ::sigfillset(&all);
  if (::sigprocmask(SIG_BLOCK, &all, nullptr) != 0) return fail_errno(errno, "block signals");
  return {};
}

Result<sys::ExitStatus> wait_foreground(FdRef pidfd) {
  TRY_ASSIGN(const UniqueFd signals, open_signals());
  for (;;) {
    pollfd fds[2] = {{pidfd.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return fail_errno(errno, "poll");
    if (fds[0].revents != 0) return sys::wait_pidfd(pidfd);
    if (fds[1].revents != 0) forward_signals(signals, pidfd, nullptr);
  }
}

Result<sys::ExitStatus> relay_console(FdRef master, FdRef pidfd) {
  TRY_ASSIGN(const UniqueFd signals, open_signals());
  const RawTerminal raw;
  if (raw.active()) copy_size(master);
  bool input = true;
  bool output = true;
  bool ended = false;
  // After the end the output is drained: the master says EIO when nobody holds the slave any more.
  while (output || !ended) {
    pollfd fds[4] = {{ended ? -1 : pidfd.get(), POLLIN, 0},
                     {signals.get(), POLLIN, 0},
                     {output ? master.get() : -1, POLLIN, 0},
                     {input && !ended ? STDIN_FILENO : -1, POLLIN, 0}};
    const int ready = ::poll(fds, 4, ended ? 100 : -1);
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "poll");
    if (ready == 0 && ended) break;  // a descendant outside the container's end keeps the slave open
    if (ready < 0) continue;
    if (fds[1].revents != 0) forward_signals(signals, pidfd, &master);
    if (fds[2].revents != 0) output = pump(master.get(), STDOUT_FILENO);
    if (fds[3].revents != 0) input = pump(STDIN_FILENO, master.get());
    if (fds[0].revents != 0) ended = true;
  }
  return sys::wait_pidfd(pidfd);
}

}  // namespace slipway::runtime::command
