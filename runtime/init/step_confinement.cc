// What confines the container and is made by the runner while init works: its arrival.
#include <unistd.h>

#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

Failure receive(const InitPlan& plan, Progress& progress) noexcept {
  Confinement& to = progress.confinement;
  ssize_t n = 0;
  do {
    n = ::read(plan.sync_fd, &to, sizeof to);
  } while (n < 0 && errno == EINTR);
  if (n >= 0 && n < static_cast<ssize_t>(sizeof to.message)) errno = EPIPE;  // the runner is gone
  if (n < static_cast<ssize_t>(sizeof to.message)) return failed(Step::confinement);
  const auto instructions = (static_cast<std::size_t>(n) - sizeof to.message) / sizeof(sock_filter);
  errno = EBADMSG;
  if (to.message.kind != Kind::confinement || to.message.index != instructions) return failed(Step::confinement, 1);
  if ((instructions > 0) != plan.filter.wanted) return failed(Step::confinement, 2);
  return {};
}

}  // namespace

// Hooks have a word of their own on the same socket, and come after this one.
Failure await_confinement_early(const InitPlan& plan, Progress& progress) noexcept {
  return plan.hooks ? receive(plan, progress) : Failure{};
}

Failure await_confinement(const InitPlan& plan, Progress& progress) noexcept {
  return plan.hooks ? Failure{} : receive(plan, progress);
}

}  // namespace slipway::runtime::init
