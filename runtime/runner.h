// The low-level runner as a library: a bundle's Spec plus host facts become a process in its namespaces and cgroup.
//
// Callers: the OCI command line `slipway` and a fork of the monitor. Single-threaded programs only: it clones.
// The container's init is made with CLONE_PARENT, so it is a child of the caller's *parent* when `child_of_parent`
// is set (a fork of the monitor that ends right after), else of the caller.
//
//   runner (forked or CLI)                     init (clone3 into the cgroup)
//     plan: fds, mounts, BPF, strings    ──▶     executes the plan: system calls only
//     ◀── born (with a second clone)             user namespaces, other containers' PID namespaces (init/step_birth.cc)
//     ◀── ready (12 bytes, SOCK_SEQPACKET)       waits for one byte on start_fd, then execve
//     ◀── failed {step, index, errno}            or EOF = exec done (the socket is close-on-exec)
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "oci/spec.h"

namespace slipway::runtime {

struct ContainerRecord;

// An overlay to be made as a detached mount instead of root.path.
struct OverlayRoot {
  std::vector<std::string> lower;  // topmost first, absolute
  std::string upper;               // empty: read-only
  std::string work;
  std::vector<std::string>
      directories;  // made where absent, 0755: what an image declares as VOLUME is there, and keeps what the image has there
};

struct HostRoot;

// What an image holds as a read-only mount, in place of the bind of config.json with this source.
struct ImageVolume {
  std::string source;              // absolute; nothing has to be there
  std::vector<std::string> lower;  // topmost first, absolute
  std::string sub_path;            // a directory or file in the image; empty = all of it
};

enum class CgroupManager { cgroupfs, systemd, none };

// Whether a cgroup may be gone without that is refused and that nothing needs (no limit is asked for): `automatic` says so in a user
// namespace, whose root is no host's.
enum class Rootless { automatic, yes, no };

struct Stdio {
  int in = -1;  // borrowed; -1 = /dev/null
  int out = -1;
  int err = -1;
  bool inherited = false;  // by execve: those in their place are not close-on-exec
};

struct Stage {
  std::string name;
  MonotonicNanos start = 0;
  MonotonicNanos duration = 0;
};

struct Seal;

struct CreateRequest {
  std::string id;
  const oci::Spec* spec = nullptr;
  std::string bundle;  // absolute
  std::optional<OverlayRoot> overlay;
  std::vector<ImageVolume> image_volumes;
  std::string cgroup;  // beneath the cgroup2 root, made if absent; empty = from spec.linux.cgroupsPath
  CgroupManager manager = CgroupManager::cgroupfs;
  Rootless rootless = Rootless::automatic;
  std::vector<std::string> scope_after;  // with systemd: units that a shutdown stops after the container
  Stdio stdio;
  int start_fd = -1;     // borrowed: init reads one byte before it execs; -1 = execs at once
  int preserve_fds = 0;  // descriptors 3 … 3+n-1 stay open
  int pid_process = -1;  // borrowed: a pidfd whose PID namespace is the container's, where linux.namespaces gives pid a path
  bool child_of_parent = false;
  Seal* seal = nullptr;  // of a runner whose file is not read-only
  bool new_keyring = true;
  // Told before anything is mounted on the host, for a container without a mount namespace; whoever deletes the container unmounts it.
  std::function<Result<void>(const HostRoot&)> host_root_planned;  // absent: such a container is refused
  // Told before anything of it is changed: whoever deletes the container, half made or not, leaves that cgroup where it is.
  std::function<Result<void>()> cgroup_was_there;
  bool no_pivot = false;  // chroot instead of pivot_root, for a host whose root is an initramfs
  // What the caller has to do anyway before create() returns: called beside the work of the container's first process. Its error is
  // create's.
  std::function<Result<void>()> meanwhile;
};

struct Created {
  pid_t pid = 0;  // in the caller's PID namespace
  UniqueFd pidfd;
  UniqueFd console;                  // the pty's master when process.terminal
  UniqueFd sync;                     // readable: failure to exec (one message) or EOF once exec has happened
  std::string cgroup;                // beneath the cgroup2 root; empty: none of its own
  bool cgroup_kept = false;          // it was there before: not the container's to take away
  std::vector<std::string> resctrl;  // classes and groups of resctrl that go with the container, in that order
  std::vector<Stage> stages;
};

// Where a container goes whose request names no cgroup: linux.cgroupsPath as the manager reads it, or the manager's default.
Result<std::string> cgroup_path(const oci::Spec& spec, const std::string& id, CgroupManager manager);

// Everything up to the wait for start. On error nothing is left: process, cgroup, mounts.
Result<Created> create(const CreateRequest& request);

// After the start byte was written: waits until exec happened or says why not. Blocks as long as execve does. Without `wait` it tells what
// is known now: a dead init's end of the socket may still be in the hands of a neighbour with CAP_SYS_PTRACE, who keeps it from closing.
Result<void> await_exec(FdRef sync, bool wait = true);
// The same, and an init that was killed before it could exec is an error too (EOF alone does not tell). Before the process is reaped.
Result<void> await_exec(FdRef sync, pid_t pid, FdRef pidfd, bool wait = true);

struct ExecRequest {
  pid_t pid = 0;   // the container's init; namespaces, root and cgroup are taken from it by its pidfd
  int pidfd = -1;  // borrowed; proves that pid is still the same
  const oci::Process* process = nullptr;
  std::string program;                 // the file to execute; empty: process.args[0] says it
  const oci::Linux* linux_ = nullptr;  // of the container: seccomp, personality, memoryPolicy
  std::string cgroup;                  // beneath the cgroup2 root
  bool exact_cgroup = false;           // there or nowhere; else a container's whose own cgroup takes none goes beside its first process
  std::string part;                    // the name of a cgroup of the process's own in it, made here; empty = none
  Stdio stdio;
  int preserve_fds = 0;
  bool child_of_parent = false;
  const ContainerRecord* record = nullptr;  // the container, for an agent at linux.seccomp.listenerPath
  std::string id;                           // the container's: its session keyring is joined; empty = a new anonymous one
  Seal* seal = nullptr;                     // as CreateRequest's
  bool new_keyring = true;                  // false: keep the caller's
};

// A further process in a running container. Returns after its exec succeeded.
Result<Created> exec(const ExecRequest& request);

}  // namespace slipway::runtime
