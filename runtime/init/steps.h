// The steps of init and what they share.
#pragma once

#include <linux/bpf_common.h>
#include <linux/filter.h>

#include <cerrno>

#include "runtime/init/plan.h"
#include "runtime/init/protocol.h"

namespace slipway::runtime::init {

// As the packet has it: what is told, then the filter.
struct Confinement {
  Told told;
  sock_filter filter[BPF_MAXINSNS];
};

// What a step leaves for a later one.
struct Progress {
  Confinement confinement;
  RootPlan* root = nullptr;        // of the plan, for what comes by message
  int terminal = -1;               // the pty's slave
  bool directory_refused = false;  // chdir as root failed; again as the user
  const char* program = nullptr;   // the candidate that may be executed
};

using StepFunction = Failure (*)(const InitPlan&, Progress&) noexcept;

// step_identity.cc. Becoming another user makes a process dumpable as fs.suid_dumpable says: init stays out of other processes' reach
// until exec.
void hide() noexcept;

inline Failure failed(Step step, std::uint32_t index = 0) noexcept {
  return {step, index, errno};
}

// step_seal.cc
Failure seal(const InitPlan&, Progress&) noexcept;
// step_descriptors.cc
Failure close_inherited(const InitPlan&, Progress&) noexcept;
Failure forget_environment(const InitPlan&, Progress&) noexcept;
Failure give_stdio(const InitPlan&, Progress&) noexcept;
Failure set_stdio(const InitPlan&, Progress&) noexcept;
Failure close_used(const InitPlan&, Progress&) noexcept;
// step_namespaces.cc
Failure enter_cgroup(const InitPlan&, Progress&) noexcept;
Failure unblock_signals(const InitPlan&, Progress&) noexcept;
Failure join_keyring(const InitPlan&, Progress&) noexcept;
Failure new_session(const InitPlan&, Progress&) noexcept;
Failure join_namespaces(const InitPlan&, Progress&) noexcept;
Failure own_cgroup_namespace(const InitPlan&, Progress&) noexcept;
Failure raise_loopback(const InitPlan&, Progress&) noexcept;
Failure set_names(const InitPlan&, Progress&) noexcept;
Failure write_own_proc(const InitPlan&, Progress&) noexcept;
Failure write_proc(const InitPlan&, Progress&) noexcept;
// step_birth.cc
Failure enter_user_namespace(const InitPlan&, Progress&) noexcept;
Failure be_born_early(const InitPlan&, Progress&) noexcept;
Failure join_pid(const InitPlan&, Progress&) noexcept;
Failure be_born_late(const InitPlan&, Progress&) noexcept;
// step_received.cc
Failure receive_mounts(const InitPlan&, Progress&) noexcept;
// step_mounts.cc
Failure make_private(const InitPlan&, Progress&) noexcept;
Failure make_own_mounts(const InitPlan&, Progress&) noexcept;  // those of its namespaces, while the runner makes the others
Failure attach_root(const InitPlan&, Progress&) noexcept;
Failure pivot_first(const InitPlan&, Progress&) noexcept;
Failure await_hooks_early(const InitPlan&, Progress&) noexcept;
Failure await_hooks(const InitPlan&, Progress&) noexcept;
// step_confinement.cc
Failure await_confinement_early(const InitPlan&, Progress&) noexcept;
Failure await_confinement(const InitPlan&, Progress&) noexcept;
// step_remount.cc, for attach_mounts
Failure remount(const InitPlan&, const MountEntry&, std::uint32_t index) noexcept;
Failure make_link(const InitPlan&, const MountEntry&, std::uint32_t index) noexcept;
Failure attach_mounts(const InitPlan&, Progress&) noexcept;
Failure finish_mounts(const InitPlan&, Progress&) noexcept;
Failure pivot(const InitPlan&, Progress&) noexcept;
// step_masks.cc
Failure mask_paths(const InitPlan&, Progress&) noexcept;
Failure readonly_paths(const InitPlan&, Progress&) noexcept;
// step_terminal.cc
Failure open_terminal(const InitPlan&, Progress&) noexcept;
Failure control_terminal(const InitPlan&, Progress&) noexcept;
// step_identity.cc
Failure raise_limits(const InitPlan&, Progress&) noexcept;
Failure set_limits(const InitPlan&, Progress&) noexcept;
Failure drop_bounding(const InitPlan&, Progress&) noexcept;
Failure set_user(const InitPlan&, Progress&) noexcept;
Failure confine_with_privilege(const InitPlan&, Progress&) noexcept;
Failure shed_capabilities(const InitPlan&, Progress&) noexcept;
Failure set_capabilities(const InitPlan&, Progress&) noexcept;
Failure forbid_new_privileges(const InitPlan&, Progress&) noexcept;
Failure confine_listened(const InitPlan&, Progress&) noexcept;
Failure confine(const InitPlan&, Progress&) noexcept;
// step_scheduling.cc
Failure schedule_early(const InitPlan&, Progress&) noexcept;
Failure schedule(const InitPlan&, Progress&) noexcept;
// step_program.cc
Failure enter_directory(const InitPlan&, Progress&) noexcept;
Failure check_directory(const InitPlan&, Progress&) noexcept;
Failure find_program(const InitPlan&, Progress&) noexcept;
Failure say_ready(const InitPlan&, Progress&) noexcept;
Failure wait_start(const InitPlan&, Progress&) noexcept;

// Whether this process has that capability in its user namespace (linux/capability.h).
bool has_capability(unsigned capability) noexcept;
// What may be written beneath /proc, through a descriptor of it; -1 and errno.
int open_proc(int proc, const char* path) noexcept;
// read(2), again after a signal.
ssize_t read_whole(int fd, void* to, std::size_t size) noexcept;
// A message from the runner, whatever it says. Its end is EPIPE.
int receive_message(int socket, Message* message) noexcept;
// A message of this process with a descriptor; -1 and errno.
int send_descriptor(int socket, const Message& message, int fd) noexcept;
// Closes everything from `first` on but the sorted descriptors of `keep`.
int close_except(unsigned first, View<int> keep) noexcept;
// A file system context (fsopen(2)) for the proc file system of a PID namespace that this process is not in; -1 and errno.
int open_proc_context(const Join& pid) noexcept;

// move_mount(2) of a detached mount; -1 and errno.
int attach(int mount, int target) noexcept;
// Each option as fsconfig(2) takes it; -1 and errno.
int configure(int context, View<FsOption> options) noexcept;

// openat2(2) in the root, never through a magic link; -1 and errno. Close-on-exec.
int open_in_root(int root, const char* path, int flags, std::uint64_t resolve = 0) noexcept;
// O_PATH descriptor of a mount's target, made component by component where it is missing.
int open_target(int root, const char* path, bool directory, std::uint64_t resolve = 0) noexcept;

}  // namespace slipway::runtime::init
