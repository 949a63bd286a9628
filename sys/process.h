// Processes by pidfd: started by posix_spawn, signalled and waited for without ever naming a number that may be reused.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::sys {

struct ExitStatus {
  int code = 0;    // exit status, or 128 + signal
  int signal = 0;  // 0 = exited by itself
};

// What execve(2) takes: a pointer to each string, which must outlive it, and a null.
std::vector<char*> exec_vector(const std::vector<std::string>& strings);

// A regular file that we may execute.
bool is_program(const std::string& file);
// The first one of that name in `path`'s absolute directories ("a:b"); "" where there is none. The working directory, which PATH may name
// by "" or ".", is somebody else's.
std::string find_program(std::string_view name, std::string_view path);

Result<UniqueFd> pidfd_open(pid_t pid);
// ESRCH (already gone) is ok: a signal's wish is fulfilled.
Result<void> pidfd_send_signal(FdRef pidfd, int signal);
// waitid(P_PIDFD): only the parent may. The first waits, the second says nothing where the child still runs.
Result<ExitStatus> wait_pidfd(FdRef pidfd);
Result<std::optional<ExitStatus>> try_wait_pidfd(FdRef pidfd);
// As try_wait_pidfd, and the child stays to be waited for.
Result<std::optional<ExitStatus>> peek_pidfd(FdRef pidfd);
// Ready for reading when the process has ended; false after `timeout_ms` (-1 = no end).
Result<bool> poll_readable(FdRef fd, int timeout_ms);

// A child of this process. Destroying it kills and reaps.
class Child {
 public:
  Child() = default;
  Child(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)), pidfd_(std::move(other.pidfd_)) {}
  Child& operator=(Child&& other) noexcept;
  ~Child();

  pid_t pid() const { return pid_; }
  FdRef pidfd() const { return pidfd_; }
  Result<void> send_signal(int signal) const { return pidfd_send_signal(pidfd_, signal); }
  // The child and all that it has started; only for one that was spawned with own_group.
  Result<void> kill_group() const;
  Result<ExitStatus> wait();                                   // ends the ownership
  Result<std::optional<ExitStatus>> wait_for(int timeout_ms);  // nullopt = still running
  // Gives up the ownership: somebody else reaps.
  UniqueFd release();

 private:
  pid_t pid_ = 0;
  UniqueFd pidfd_;
};

struct SpawnRequest {
  std::string program;            // a path, or "/proc/self/fd/N"
  std::vector<std::string> argv;  // argv[0] included
  std::vector<std::string> env;   // "NAME=value"; nothing is inherited
  int stdio[3] = {-1, -1, -1};    // borrowed; -1 = /dev/null
  std::vector<int> extra;         // borrowed; become 3, 4, …
  std::string cwd;                // empty = ours
  bool own_group = false;         // a process group of its own, which kill_group ends
};

// All signals default and unblocked in the child, no descriptor but the named ones.
Result<Child> spawn(const SpawnRequest& request);

struct Ran {
  ExitStatus status;
  std::string said;  // both outputs
};
// Spawned, waited for and read; what `request` has as outputs is not looked at. deadline_exceeded: it was killed, with its group where it
// has one of its own. resource_exhausted: it said more than `limit` bytes.
Result<Ran> run_to_end(SpawnRequest request, int timeout_ms, std::size_t limit);

}  // namespace slipway::sys
