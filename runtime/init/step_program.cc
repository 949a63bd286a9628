// Where the program runs, which file it is, and when it may begin.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/weaken.h"
#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

// Where the change of the root left this process.
bool is_there_already(const InitPlan& plan) noexcept {
  return plan.root.fd >= 0 && plan.working_directory[0] == '/' && plan.working_directory[1] == '\0';
}

}  // namespace

Failure enter_directory(const InitPlan& plan, Progress& progress) noexcept {
  if (is_there_already(plan)) return {};
  if (::chdir(plan.working_directory) == 0) return {};
  progress.directory_refused = errno == EACCES || errno == EPERM;  // a network file system may squash root
  return progress.directory_refused ? Failure{} : failed(Step::working_directory);
}

Failure check_directory(const InitPlan& plan, Progress& progress) noexcept {
  if (is_there_already(plan)) return {};
  if (progress.directory_refused && ::chdir(plan.working_directory) != 0) return failed(Step::working_directory);
  char path[4096];
  // A directory outside the root reads "(unreachable)…" (CVE-2024-21626).
  if (::syscall(SYS_getcwd, path, sizeof path) < 0) return failed(Step::outside_root);
  if (path[0] == '/' || weakened(Defence::cwd_in_root)) return {};
  errno = EPERM;
  return failed(Step::outside_root);
}

namespace {

// A filter that was loaded already (without no_new_privs) may not know faccessat2(2), as profiles from before 2020 do not: then the file's
// mode is all that can be asked, and execve decides.
bool may_execute(const char* path, mode_t mode) noexcept {
  if (!S_ISREG(mode)) return false;
  if (::syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) == 0) return true;
  constexpr mode_t kAnybody = S_IXUSR | S_IXGRP | S_IXOTH;
  return (errno == ENOSYS || errno == EPERM) && (mode & kAnybody) != 0;
}

}  // namespace

Failure find_program(const InitPlan& plan, Progress& progress) noexcept {
  if (plan.candidates.empty()) return {};  // config.json has no process: run() says so at start
  int why = ENOENT;
  for (const char* path : plan.candidates) {
    struct stat st = {};
    if (::fstatat(AT_FDCWD, path, &st, 0) != 0) {
      if (errno == EACCES || errno == ELOOP) why = errno;
      continue;
    }
    if (!may_execute(path, st.st_mode)) {
      why = EACCES;
      continue;
    }
    progress.program = path;
    return {};
  }
  errno = why;
  return failed(Step::lookup);
}

Failure say_ready(const InitPlan& plan, Progress&) noexcept {
  const Message ready{Kind::ready, Step::none, 0, 0};
  // Nobody listening any more: the runner died, so this container must not begin (SIGPIPE, where it is not ignored, ends it as well). Not
  // by send(2): without no_new_privs a filter is loaded already, and one without write(2) leaves nothing that could run.
  if (::write(plan.sync_fd, &ready, sizeof ready) != static_cast<ssize_t>(sizeof ready)) return failed(Step::ready);
  return {};
}

Failure wait_start(const InitPlan& plan, Progress&) noexcept {
  if (plan.start_fd < 0) return {};
  char byte = 0;
  const ssize_t n = read_whole(plan.start_fd, &byte, 1);
  if (n == 1) return {};
  if (n == 0) errno = EPIPE;  // who could have started it is gone
  return failed(Step::start);
}

}  // namespace slipway::runtime::init
