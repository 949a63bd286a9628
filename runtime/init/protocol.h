// What init tells its runner: 12 bytes over one SOCK_SEQPACKET pair; the runner writes the sentence.
//
//   init                                  runner
//     ── born + its pidfd ────────────▶     (only with a second clone: from the first process, which then ends)
//     ◀── mounts + descriptors ────────     (only with RootPlan::awaited) made beside init: the root, the masks' file and directory if
//     there are
//                                           masks, the entries' in their order; more than a packet holds come in several
//     ◀── confinement + the filter ────     what the runner made while init made the mounts: the device rules are in force too
//     ── environment ─────────────────▶     (only with hooks) namespaces and mounts are made; the runner runs hooks
//     ◀── environment ─────────────────     and lets init change the root
//     ── console + the pty's master ──▶     (only with a terminal)
//     ── listening {descriptor} ──────▶     (only with SCMP_ACT_NOTIFY) right before the filter is loaded: that number will be the
//     ◀── listening ───────────────────     listener, which the runner takes by pidfd_getfd(2): a filter may forbid init to send it
//     ── ready ───────────────────────▶     create() returns; the program was found and may be executed
//        (waits for start)
//     ── failed {step, index, errno} ─▶     at any time; then init ends with 127
//        execve closes the socket ────▶     EOF: running
//
// A process that is born late has neighbours who may take its end of the socket (CAP_SYS_PTRACE): `born`, `environment` and `console` count
// only from the first process, by the sender that the kernel names. What is left to others is the fate of that one process.
//
// EOF is also what a killed init leaves: the runner then asks /proc whether exec was reached.
#pragma once

#include <cstdint>

namespace slipway::runtime::init {

enum class Kind : std::uint16_t {
  ready = 1,
  failed = 2,
  console = 3,
  born = 4,  // `index` is its number for the runner
  environment = 5,
  listening = 6,    // `index` is the descriptor
  confinement = 7,  // the seccomp filter's instructions follow in the same packet
  mounts = 8,       // `index` descriptors come with it
};

// What was being done. `index` says which one of several. The numbers stay: `start` may be of a newer slipway than the init that waits.
enum class Step : std::uint16_t {
  none = 0,
  close_descriptors,
  seal,
  enter_cgroup,
  signals,
  session,
  keyring,
  join_namespace,
  cgroup_namespace,
  loopback,
  pid_namespace,
  user_namespace,
  time_namespace,
  birth,
  hostname,
  domainname,
  proc_write,
  root_propagation,
  root_attach,
  mount_make,
  mount_target,
  mount_attach,
  mount_readonly,
  remount,
  link,
  terminal_open,
  terminal_send,
  terminal_console,
  terminal_control,
  mask,
  readonly_path,
  root_readonly,
  hooks,
  confinement,
  pivot,
  stdio,
  preserve,
  rlimit,
  scheduler,
  io_priority,
  affinity,
  personality,
  memory_policy,
  working_directory,
  outside_root,
  bounding,
  groups,
  user,
  capabilities,
  ambient,
  no_new_privileges,
  seccomp,
  lookup,
  ready,
  start,
  no_process,
  exec,
  mounts,
};

// Of one message.
inline constexpr std::uint32_t kMostDescriptors = 16;

struct Failure {
  Step step = Step::none;
  std::uint32_t index = 0;
  std::int32_t error = 0;  // errno
};

struct Message {
  Kind kind = Kind::ready;
  Step step = Step::none;
  std::uint32_t index = 0;
  std::int32_t error = 0;
};
static_assert(sizeof(Message) == 12);

// What the runner finds out while init works. The instructions of the seccomp filter follow it in the packet, message.index of them.
struct Told {
  Message message;
  std::uint32_t unused = 0;
  std::uint64_t ignored_signals = 0;  // bit n - 1 = signal n: execve would keep them ignored
};
static_assert(sizeof(Told) == 24);

}  // namespace slipway::runtime::init
