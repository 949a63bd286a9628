// What the runner has to say: above all what confines the container, made while init works.
#include <signal.h>
#include <unistd.h>

#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

// Handlers went with CLONE_CLEAR_SIGHAND; what is ignored would survive execve.
Failure reset_ignored(std::uint64_t signals) noexcept {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (; signals != 0; signals &= signals - 1) {
    const int signal = __builtin_ctzll(signals) + 1;
    if (::sigaction(signal, &action, nullptr) != 0) return failed(Step::signals, static_cast<std::uint32_t>(signal));
  }
  return {};
}

Failure receive(const InitPlan& plan, Progress& progress) noexcept {
  Confinement& to = progress.confinement;
  const ssize_t n = read_whole(plan.sync_fd, &to, sizeof to);
  if (n >= 0 && n < static_cast<ssize_t>(sizeof to.told)) errno = EPIPE;  // the runner is gone
  if (n < static_cast<ssize_t>(sizeof to.told)) return failed(Step::confinement);
  const auto instructions = (static_cast<std::size_t>(n) - sizeof to.told) / sizeof(sock_filter);
  errno = EBADMSG;
  if (to.told.message.kind != Kind::confinement || to.told.message.index != instructions) return failed(Step::confinement, 1);
  if ((instructions > 0) != plan.filter.wanted) return failed(Step::confinement, 2);
  return reset_ignored(to.told.ignored_signals);
}

}  // namespace

ssize_t read_whole(int fd, void* to, std::size_t size) noexcept {
  ssize_t n = 0;
  do {
    n = ::read(fd, to, size);
  } while (n < 0 && errno == EINTR);
  return n;
}

int receive_message(int socket, Message* message) noexcept {
  const ssize_t n = read_whole(socket, message, sizeof *message);
  if (n == static_cast<ssize_t>(sizeof *message)) return 0;
  if (n >= 0) errno = EPIPE;  // the runner is gone
  return -1;
}

// Hooks have a word of their own on the same socket, and come after this one.
Failure await_confinement_early(const InitPlan& plan, Progress& progress) noexcept {
  return plan.hooks ? receive(plan, progress) : Failure{};
}

Failure await_confinement(const InitPlan& plan, Progress& progress) noexcept {
  return plan.hooks ? Failure{} : receive(plan, progress);
}

}  // namespace slipway::runtime::init
