// A cgroup v2 directory, held by descriptor: made, limited, watched, frozen, killed, removed.
//
// Owner: whoever made it; destroying the object closes descriptors and leaves the cgroup. One thread at a time. Paths are beneath the
// cgroup2 mount and may start with "/"; ".." and links are refused (openat2 RESOLVE_BENEATH|NO_SYMLINKS).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cgroups/plan.h"
#include "cgroups/root.h"
#include "cgroups/stats.h"
#include "oci/spec.h"

namespace slipway::cgroups {

class Cgroup {
 public:
  // Any directory: tests make one in a temporary directory.
  static Result<Cgroup> open(const std::string& path);
  static Result<Cgroup> open(const Root& root, std::string_view path);

  // Makes what is missing of the path, and hands every controller that exists down to it (an absent or busy one is left out: a limit that
  // needs it fails later, by name). An existing cgroup is opened: `was_there` says so.
  static Result<Cgroup> create(const Root& root, std::string_view path);

  // One that systemd has made: opened, its parents handing down also the controllers that systemd does not know (hugetlb).
  static Result<Cgroup> open_enabled(const Root& root, std::string_view path);

  // A child without controllers of its own: what is in it is limited and counted as if it were here, and can be killed by itself.
  // sys_errno tells why the kernel allows none (EAGAIN: cgroup.max.descendants).
  Result<Cgroup> make_part(const std::string& name) const;
  Result<Cgroup> open_part(const std::string& name) const;  // not_found: there is none
  Result<void> remove_part(const std::string& name) const;  // does not wait: with processes in it it stays, and this fails. Absent = ok.

  FdRef dir() const { return dir_; }                 // O_RDONLY|O_DIRECTORY, for clone3's CLONE_INTO_CGROUP
  const std::string& path() const { return path_; }  // absolute
  bool was_there() const { return was_there_; }

  // Limits. checkBeforeUpdate is obeyed. Devices are not among them: cgroups/device_bpf.h. A limit whose controller is not there is
  // failed_precondition.
  Result<void> apply(const oci::Resources& resources) const;
  Result<void> write(const Write& write) const;

  Result<void> add(pid_t pid) const;                   // moves a process; prefer CLONE_INTO_CGROUP
  Result<std::vector<pid_t>> processes() const;        // of this cgroup only
  Result<std::vector<pid_t>> processes_below() const;  // and of those beneath, depth first
  Result<bool> populated() const;                      // cgroup.events, the whole subtree
  Result<bool> wait_empty(int timeout_ms) const;       // poll(2) on cgroup.events; false = time is over

  // SIGKILL to the whole subtree at once, new forks included. Gone already = ok. A process whose first thread has ended lives on: the
  // kernel signals that thread alone (seen up to 6.18).
  Result<void> kill() const;
  // Each process, which has all its threads, by pidfd. Who is born meanwhile may be missed.
  Result<void> signal_each(int signal) const;
  // Without cgroup.kill: frozen, SIGKILL to each, until none is left or time is over.
  Result<void> kill_one_by_one(int timeout_ms) const;
  // By both, until all are gone: false = time is over.
  Result<bool> kill_and_wait(int timeout_ms) const;
  // Returns once the kernel says frozen (or thawed); deadline_exceeded after timeout_ms.
  Result<void> freeze(int timeout_ms) const;
  Result<void> thaw(int timeout_ms) const;
  Result<bool> frozen() const;

  // rmdir of the subtree, deepest first. A cgroup whose last process is still on its way out is waited for until timeout_ms; with living
  // processes it is failed_precondition after that. Absent = ok.
  Result<void> remove(int timeout_ms) const;
  // kill and remove by path: the cgroup may be gone already.
  static Result<void> kill_and_remove(const Root& root, std::string_view path, int timeout_ms);
  // The same with what is in it alone: itself it stays.
  static Result<void> kill_and_empty(const Root& root, std::string_view path, int timeout_ms);

  Result<Stats> stats() const;
  // memory.events' oom_kill of the subtree; 0 where the memory controller is off.
  Result<std::uint64_t> oom_kills() const;
  // memory.events, to be polled for POLLPRI (it changes when a counter does) and then given to read_memory_events. not_found without
  // the memory controller.
  Result<UniqueFd> open_memory_events() const;
  // cgroup.events, POLLPRI when populated or frozen changes.
  Result<UniqueFd> open_events() const;

 private:
  Cgroup(std::string path, UniqueFd dir, bool was_there) : path_(std::move(path)), dir_(std::move(dir)), was_there_(was_there) {}
  Result<std::string> with_first_word(const Write& write) const;
  Result<void> set_frozen(bool wanted, int timeout_ms) const;
  Result<bool> wait_event(std::string_view key, bool wanted, int timeout_ms) const;

  std::string path_;
  UniqueFd dir_;
  bool was_there_ = false;
};

// Rereads a descriptor of open_memory_events from its beginning, which also arms it for the next poll.
Result<MemoryEvents> read_memory_events(FdRef fd);

// The controllers in cgroup.controllers of the root: "cpuset", "cpu", "io", …
Result<std::vector<std::string>> available_controllers(const Root& root);

}  // namespace slipway::cgroups
