// Processes by pidfd.
#include "sys/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/fault.h"
#include "base/text.h"
#include "base/weaken.h"
#include "sys/descriptor.h"
#include "sys/file.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace slipway::sys {
namespace {

ExitStatus to_status(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return {info.si_status, 0};
  return {128 + info.si_status, info.si_status};
}

Result<std::optional<ExitStatus>> wait_with(FdRef pidfd, int options) {
  siginfo_t info{};
  const int r =
      retry_eintr([&] { return ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd.get()), &info, WEXITED | options); });
  if (r != 0) return fail_errno(errno, "wait for a child");
  if (info.si_pid == 0) return std::optional<ExitStatus>{};
  return std::optional<ExitStatus>{to_status(info)};
}

// posix_spawn's two structures with their ends.
struct SpawnSetup {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

// The wanted descriptors first move above every target, so that no dup2 overwrites a source that is still needed.
Result<std::vector<UniqueFd>> lift(const SpawnRequest& request) {
  const int floor = 3 + static_cast<int>(request.extra.size());
  std::vector<UniqueFd> lifted;
  std::vector<int> sources(request.stdio, request.stdio + 3);
  sources.insert(sources.end(), request.extra.begin(), request.extra.end());
  for (const int source : sources) {
    UniqueFd null;
    if (source < 0) {
      TRY_ASSIGN(null, open_path("/dev/null", O_RDWR));
    }
    const int fd = ::fcntl(source < 0 ? null.get() : source, F_DUPFD_CLOEXEC, floor);
    if (fd < 0) return fail_errno(errno, "duplicate descriptor {}", source);
    lifted.emplace_back(fd);
  }
  return lifted;
}

}  // namespace

std::vector<char*> exec_vector(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (const std::string& s : strings) out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

bool is_program(const std::string& file) {
  struct stat st = {};
  return ::stat(file.c_str(), &st) == 0 && S_ISREG(st.st_mode) && ::access(file.c_str(), X_OK) == 0;
}

std::string find_program(std::string_view name, std::string_view path) {
  while (!path.empty()) {
    const std::string_view directory = cut(path, ':');
    std::string file = fmt::format("{}/{}", directory, name);
    if (directory.starts_with('/') && is_program(file)) return file;
  }
  return {};
}

Result<UniqueFd> pidfd_open(pid_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return fail_errno(errno, "open a pidfd of process {}", pid);
  return UniqueFd(static_cast<int>(fd));
}

Result<void> pidfd_send_signal(FdRef pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) != 0 && errno != ESRCH)
    return fail_errno(errno, "send signal {}", signal);
  return {};
}

Result<ExitStatus> wait_pidfd(FdRef pidfd) {
  TRY_ASSIGN(const std::optional<ExitStatus> status, wait_with(pidfd, 0));
  return *status;
}

Result<std::optional<ExitStatus>> try_wait_pidfd(FdRef pidfd) {
  return wait_with(pidfd, WNOHANG);
}

Result<std::optional<ExitStatus>> peek_pidfd(FdRef pidfd) {
  return wait_with(pidfd, WNOHANG | WNOWAIT);
}

Result<bool> poll_readable(FdRef fd, int timeout_ms) {
  pollfd p{fd.get(), POLLIN, 0};
  const int n = retry_eintr([&] { return ::poll(&p, 1, timeout_ms); });
  if (n < 0) return fail_errno(errno, "poll");
  return n > 0;
}

Child& Child::operator=(Child&& other) noexcept {
  Child old(std::move(*this));  // what was owned here ends with this scope
  pid_ = std::exchange(other.pid_, 0);
  pidfd_ = std::move(other.pidfd_);
  return *this;
}

Child::~Child() {
  if (!pidfd_.valid()) return;
  (void)send_signal(SIGKILL);
  (void)wait_pidfd(pidfd_);
}

Result<ExitStatus> Child::wait() {
  Result<ExitStatus> status = wait_pidfd(pidfd_);
  pidfd_.reset();
  return status;
}

Result<void> Child::kill_group() const {
  if (!pidfd_.valid()) return {};
  // lint: allow kill, because the child is not reaped yet: its number, and so its group's, cannot be another's
  if (::kill(-pid_, SIGKILL) != 0 && errno != ESRCH) return fail_errno(errno, "kill the process group {}", pid_);
  return {};
}

Result<std::optional<ExitStatus>> Child::wait_for(int timeout_ms) {
  TRY_ASSIGN(const bool ended, poll_readable(pidfd_, timeout_ms));
  if (!ended) return std::optional<ExitStatus>{};
  TRY_ASSIGN(const ExitStatus status, wait());
  return std::optional<ExitStatus>{status};
}

UniqueFd Child::release() {
  pid_ = 0;
  return std::move(pidfd_);
}

Result<Child> spawn(const SpawnRequest& request) {
  TRY(fault::point("start a program"));
  TRY_ASSIGN(const std::vector<UniqueFd> lifted, lift(request));
  SpawnSetup setup;
  for (std::size_t i = 0; i < lifted.size(); ++i) posix_spawn_file_actions_adddup2(&setup.actions, lifted[i].get(), static_cast<int>(i));
  posix_spawn_file_actions_addclosefrom_np(&setup.actions, static_cast<int>(lifted.size()));
  if (!request.cwd.empty()) posix_spawn_file_actions_addchdir_np(&setup.actions, request.cwd.c_str());
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&setup.attributes, &all);
  posix_spawnattr_setsigmask(&setup.attributes, &none);
  posix_spawnattr_setpgroup(&setup.attributes, 0);
  const int group = request.own_group ? POSIX_SPAWN_SETPGROUP : 0;
  posix_spawnattr_setflags(&setup.attributes, static_cast<short>(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | group));
  std::vector<char*> argv = exec_vector(request.argv);
  std::vector<char*> env = exec_vector(request.env);
  if (const char* switches = weakening(); switches != nullptr) env.insert(env.begin(), const_cast<char*>(switches));
  pid_t pid = 0;
  const int err = ::posix_spawn(&pid, request.program.c_str(), &setup.actions, &setup.attributes, argv.data(), env.data());
  if (err != 0) return fail_errno(err, "start '{}'", request.program);
  // Nobody else reaps our children, so the number is still ours here.
  TRY_ASSIGN(UniqueFd pidfd, pidfd_open(pid));
  return Child(pid, std::move(pidfd));
}

Result<Ran> run_to_end(SpawnRequest request, int timeout_ms, std::size_t limit) {
  TRY_ASSIGN(const UniqueFd output, memory_file("output", ""));
  request.stdio[1] = request.stdio[2] = output.get();
  TRY_ASSIGN(Child child, spawn(request));
  TRY_ASSIGN(const auto status, child.wait_for(timeout_ms));
  if (!status) {
    if (request.own_group) (void)child.kill_group();
    return fail(Code::deadline_exceeded, "'{}' did not end in {} ms and was killed", request.program, timeout_ms);
  }
  if (::lseek(output.get(), 0, SEEK_SET) < 0) return fail_errno(errno, "read what '{}' said", request.program);
  TRY_ASSIGN(std::string said, read_fd(output, limit).context("what '{}' said", request.program));
  return Ran{*status, std::move(said)};
}

}  // namespace slipway::sys
