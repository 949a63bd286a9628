// The last steps of a clone before its execve.
#include "runtime/fresh_program.h"

#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace slipway::runtime {

Result<Cloned> clone_with_pidfd(std::uint64_t flags) {
  int pidfd = -1;
  clone_args args = {};
  args.flags = CLONE_PIDFD | flags;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return fail_errno(errno, "clone");
  return Cloned{static_cast<pid_t>(pid), pid == 0 ? UniqueFd() : UniqueFd(pidfd)};
}

void execute_afresh(unsigned first, const char* program, char* const* argv, char* const* envp) noexcept {
  (void)::close_range(first, ~0U, CLOSE_RANGE_CLOEXEC);
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < 65; ++signal) (void)::sigaction(signal, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(program, argv, envp);
}

}  // namespace slipway::runtime
