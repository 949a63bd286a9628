// Which descriptors init, and then the container, holds; and nothing else of who made it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/weaken.h"
#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

int close_between(unsigned first, unsigned last) noexcept {
  return first > last ? 0 : ::close_range(first, last, 0);
}

int set_close_on_exec(int fd, bool on) noexcept {
  return ::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

// The program must be able to reopen /dev/stdout as its user; /dev/null belongs to everyone.
void give(int fd, std::uint32_t uid) noexcept {
  struct stat st = {};
  if (::fstat(fd, &st) != 0 || st.st_uid == uid) return;
  constexpr dev_t kNull = (1U << 8) | 3U;  // 1:3; makedev() is a function of the C library
  if (S_ISCHR(st.st_mode) && st.st_rdev == kNull) return;
  // A read-only file system or a socket may refuse: the descriptor itself still works.
  (void)!::fchown(fd, uid, static_cast<gid_t>(-1));
}

}  // namespace

int close_except(unsigned first, View<int> keep) noexcept {
  for (const int fd : keep) {
    const auto kept = static_cast<unsigned>(fd);
    if (fd < 0 || kept < first) continue;
    if (kept > first && close_between(first, kept - 1) != 0) return -1;
    first = kept + 1;
  }
  return close_between(first, ~0U);
}

Failure close_inherited(const InitPlan& plan, Progress&) noexcept {
  if (weakened(Defence::close_descriptors)) return {};
  if (close_except(3U + static_cast<unsigned>(plan.preserve_fds), plan.keep) != 0) return failed(Step::close_descriptors);
  return {};
}

// A neighbour with CAP_SYS_PTRACE may look before the program is executed: at one that waits for `start`, and for a moment at every one
// that is born into a PID namespace with others in it.
Failure forget_environment(const InitPlan&, Progress&) noexcept {
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (*entry != weakening()) std::memset(*entry, 0, std::strlen(*entry));
  }
  return {};
}

Failure give_stdio(const InitPlan& plan, Progress&) noexcept {
  if (plan.stdio_owner == 0) return {};
  for (const int fd : plan.stdio) {
    if (fd >= 0) give(fd, plan.stdio_owner);
  }
  return {};
}

Failure set_stdio(const InitPlan& plan, Progress& progress) noexcept {
  for (int i = 0; i < 3; ++i) {
    const int from = progress.terminal >= 0 ? progress.terminal : plan.stdio[i];
    if (from == i && plan.stdio_inherited) continue;
    const int r = from == i ? set_close_on_exec(i, false) : ::dup3(from, i, 0);
    if (r < 0) return failed(Step::stdio, static_cast<std::uint32_t>(i));
  }
  return {};
}

Failure close_used(const InitPlan& plan, Progress&) noexcept {
  int rest[2] = {plan.sync_fd, plan.start_fd};
  if (rest[0] > rest[1]) {
    rest[0] = plan.start_fd;
    rest[1] = plan.sync_fd;
  }
  const bool leave = weakened(Defence::close_descriptors);
  if (!leave && close_except(3U + static_cast<unsigned>(plan.preserve_fds), {rest, 2}) != 0) return failed(Step::close_descriptors, 1);
  if (plan.start_fd >= 0 && set_close_on_exec(plan.start_fd, true) != 0) return failed(Step::close_descriptors, 2);
  for (int i = 0; i < plan.preserve_fds; ++i) {
    if (set_close_on_exec(3 + i, false) != 0) return failed(Step::preserve, static_cast<std::uint32_t>(3 + i));
  }
  return {};
}

}  // namespace slipway::runtime::init
