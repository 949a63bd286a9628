// clone3 and the parent's side of the protocol.
#include "runtime/launch.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <span>

#include "base/log.h"
#include "base/weaken.h"
#include "cgroups/stats.h"
#include "runtime/capabilities.h"
#include "runtime/devices.h"
#include "runtime/init/run.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace slipway::runtime {
namespace {

// Which signals this process ignores: execve keeps that, and a container must not inherit it (SIGPIPE above all).
// One read instead of a sigaction(2) for each of them.
Result<std::uint64_t> ignored_signals() {
  TRY_ASSIGN(const std::string status, sys::read_line_file_at(FdRef(AT_FDCWD), "/proc/self/status"));
  constexpr std::string_view kField = "\nSigIgn:\t";
  const std::size_t at = status.find(kField);
  std::uint64_t mask = 0;
  if (at == std::string::npos) return fail(Code::internal, "/proc/self/status has no SigIgn");
  const char* begin = status.data() + at + kField.size();
  const auto [end, error] = std::from_chars(begin, status.data() + status.size(), mask, 16);
  if (error != std::errc{} || *end != '\n') return fail(Code::internal, "/proc/self/status: SigIgn is no mask");
  // 32 and 33 are the C library's own: its posix_spawn leaves them ignored in every child, and sigaction(3) refuses them.
  constexpr std::uint64_t kOfTheLibrary = std::uint64_t{3} << 31;
  return mask & ~kOfTheLibrary;
}

// A runner in a restricted environment cannot give what it has not got: that is told, and the container starts (config.md, "Linux
// Process"). In a user namespace of its own it has them all again.
Result<void> leave_out_capabilities(init::InitPlan& plan) {
  if (plan.user_namespace >= 0) return {};
  TRY_ASSIGN(const std::uint64_t ours, permitted_capabilities());
  init::CapabilityMasks& masks = plan.capabilities;
  for (std::uint64_t rest = (masks.permitted | masks.inheritable) & ~ours; rest != 0; rest &= rest - 1)
    log::warn("{} is not ours to give and was left out", capability_name(__builtin_ctzll(rest)));
  for (std::uint64_t* mask : {&masks.effective, &masks.permitted, &masks.inheritable, &masks.ambient}) *mask &= ours;
  return {};
}

// Init wants its standard descriptors either in their place or out of the way of each other.
Result<void> plan_stdio(const Stdio& stdio, LaunchPlan& plan) {
  if (plan.init.terminal.wanted) return {};
  const int given[3] = {stdio.in, stdio.out, stdio.err};
  plan.init.stdio_inherited = stdio.inherited;
  int null = -1;
  for (int i = 0; i < 3; ++i) {
    int fd = given[i];
    if (fd < 0 && null < 0) {
      TRY_ASSIGN(UniqueFd opened, open_null(O_RDWR));
      null = plan.own(std::move(opened));
    }
    if (fd < 0) fd = null;
    if (fd < 3 && fd != i) {
      TRY_ASSIGN(UniqueFd copy, sys::copy_fd(FdRef(fd)).context("standard descriptor {}", fd));
      fd = plan.own(std::move(copy));
    }
    plan.init.stdio[i] = fd;
    plan.borrow(fd);
  }
  return {};
}

Result<void> check_preserved(int count) {
  for (int fd = 3; fd < 3 + count; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) return fail(Code::invalid_argument, "preserve-fds: descriptor {} is not open", fd);
  }
  return {};
}

Result<Launched> clone_init(LaunchPlan& plan, const LaunchRequest& request) {
  clone_args args = {};
  int pidfd = -1;
  args.flags = request.namespaces | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  if (request.child_of_parent) {
    args.flags |= CLONE_PARENT;
    args.exit_signal = 0;  // the child inherits the caller's
  }
  if (request.cgroup >= 0 && plan.init.enter_cgroup < 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<std::uint64_t>(request.cgroup);
  }
  long pid = ::syscall(SYS_clone3, &args, sizeof args);
  Launched launched;
  if (pid < 0 && errno == EACCES && (args.flags & CLONE_INTO_CGROUP) != 0 && request.may_leave_cgroup && request.may_leave_cgroup()) {
    args.flags &= ~std::uint64_t{CLONE_INTO_CGROUP};
    launched.left_cgroup = true;
    pid = ::syscall(SYS_clone3, &args, sizeof args);
  }
  if (pid < 0) return fail_errno(errno, "clone the container's process");  // EBUSY: a cgroup with children of its own
  if (pid == 0) init::run(plan.init);
  launched.cloned_at = now_monotonic();
  launched.pid = static_cast<pid_t>(pid);
  launched.pidfd.reset(pidfd);
  return launched;
}

struct Attempt {
  bool confined = false;        // once is enough for all attempts
  bool killed_at_once = false;  // perhaps before init's first instruction
};

// Init died without a word: the cause is a signal, most likely the cgroup's memory limit. `killed`: perhaps before its first instruction.
Error died(FdRef pidfd, bool our_child, bool& killed) {
  killed = true;
  if (!our_child) return fail(Code::aborted, "init ended before it was ready");
  const auto status = sys::wait_pidfd(pidfd);
  killed = status.ok() && status.value().signal == SIGKILL;
  if (!status.ok() || status.value().signal == 0) return fail(Code::aborted, "init ended before it was ready");
  if (status.value().signal == SIGKILL)
    return fail(Code::resource_exhausted, "init was killed before it was ready: is the memory limit too low?");
  return fail(Code::aborted, "init was ended by signal {} before it was ready", status.value().signal);
}

// The first process has told who the container's is, and ends.
Result<void> take_born(const init::Message& message, sys::Packet& packet, Launched& launched, bool our_child) {
  if (packet.fds.size() != 1) return fail(Code::internal, "init sent no descriptor of the process it made");
  if (our_child) (void)sys::wait_pidfd(launched.pidfd);
  launched.pid = static_cast<pid_t>(message.index);
  launched.pidfd = std::move(packet.fds[0]);
  return {};
}

Result<void> let_go_on(const Launched& launched, init::Kind kind) {
  const init::Message go_on{kind, init::Step::none, 0, 0};
  return sys::send_packet(launched.sync, {reinterpret_cast<const char*>(&go_on), sizeof go_on});
}

Result<void> run_create_hooks(const LaunchRequest& request, const Launched& launched) {
  TRY(request.environment_made(launched.pid, launched.pidfd));
  return let_go_on(launched, init::Kind::environment);
}

// Init is loading the filter, after which it may not be able to say anything: its descriptor appears, or init says why not.
Result<void> take_listener(const LaunchRequest& request, const Launched& launched, std::uint32_t number) {
  constexpr int kTries = 10'000;  // of a millisecond
  for (int i = 0; i < kTries; ++i) {
    const long fd = ::syscall(SYS_pidfd_getfd, launched.pidfd.get(), number, 0);
    if (fd >= 0) {
      const UniqueFd listener(static_cast<int>(fd));
      TRY(request.listener_made(launched.pid, listener));
      return let_go_on(launched, init::Kind::listening);
    }
    if (errno != EBADF) return fail_errno(errno, "take the seccomp listener");
    TRY_ASSIGN(const bool said, sys::poll_readable(launched.sync, 1));
    if (said) return {};
  }
  return fail(Code::deadline_exceeded, "the seccomp filter was not loaded within ten seconds");
}

Result<void> keep_console(sys::Packet& packet, Launched& launched) {
  if (packet.fds.size() != 1) return fail(Code::internal, "init sent no terminal");
  launched.console = std::move(packet.fds[0]);
  return {};
}

// A process that is born late has neighbours: one with CAP_SYS_PTRACE can take its end of the socket, and say things in its name. What the
// runner acts on for the container's process' own sake (how it ended, that it waits) may be said so; whose number and which descriptors
// the runner hands on, only the first process says, which no process of the container can reach.
Result<void> check_sender(const LaunchPlan& plan, init::Kind kind, const sys::Packet& packet, pid_t first) {
  if (plan.init.birth == init::Birth::none || packet.sender == first) return {};
  const bool late = plan.init.birth == init::Birth::late;
  const bool of_the_first = kind == init::Kind::born || (late && (kind == init::Kind::console || kind == init::Kind::environment));
  if (!of_the_first) return {};
  return fail(Code::permission_denied, "process {} said in init's name what only the process that makes it may say", packet.sender);
}

// Until ready; the pty's master comes before it. With a second clone `born` and what the new process says come in any order.
Result<void> converse(const LaunchPlan& plan, const LaunchRequest& request, Launched& launched, bool& killed_at_once) {
  const bool our_child = !request.child_of_parent;
  const pid_t first = launched.pid;
  bool heard = false;
  bool born = plan.init.birth == init::Birth::none;
  bool ready = false;
  bool hooks = false;
  std::optional<std::uint32_t> listener;
  std::optional<Error> failure;
  while (!born || !ready) {
    TRY_ASSIGN(sys::Packet packet, sys::receive_packet(launched.sync, sizeof(init::Message)));
    if (packet.eof) {
      bool killed = false;
      const Error error = failure ? *failure : died(launched.pidfd, our_child, killed);
      killed_at_once = killed && !heard;
      return error;
    }
    heard = true;
    init::Message message;
    if (packet.data.size() != sizeof message) return fail(Code::internal, "init sent {} bytes", packet.data.size());
    std::memcpy(&message, packet.data.data(), sizeof message);
    TRY(check_sender(plan, message.kind, packet, first));
    switch (message.kind) {
      case init::Kind::ready: ready = true; break;
      case init::Kind::environment: hooks = true; break;
      case init::Kind::listening:
        if (!request.listener_made) return fail(Code::internal, "init told of a listener that nobody wants");
        listener = message.index;
        break;
      case init::Kind::failed:
        if (message.step == init::Step::seal && request.seal != nullptr) request.seal->refused = true;
        if (born) return plan.describe(message);
        failure = plan.describe(message);  // of whom? `born` or the end tells
        break;
      case init::Kind::born: {
        TRY(take_born(message, packet, launched, our_child));
        born = true;
        if (failure) return *failure;
        break;
      }
      case init::Kind::console: TRY(keep_console(packet, launched)); break;
      default: return fail(Code::internal, "init sent a message of kind {}", static_cast<int>(message.kind));
    }
    // Who is born late says so while it is still the first process.
    if (hooks && (born || plan.init.birth == init::Birth::late)) {
      TRY(run_create_hooks(request, launched));
      hooks = false;
    }
    if (listener && born) TRY(take_listener(request, launched, *std::exchange(listener, std::nullopt)));
  }
  return {};
}

// An init that is gone already said why: that is heard next. Any other error would leave it waiting, and us for it.
Result<void> unless_gone(Result<void> sent) {
  const bool gone = !sent.ok() && (sent.error().sys_errno == EPIPE || sent.error().sys_errno == ECONNRESET);
  return gone ? Result<void>{} : std::move(sent);
}

Result<void> tell_mounts(const Launched& launched, std::span<const int> fds) {
  while (!fds.empty()) {
    const auto some = fds.first(std::min<std::size_t>(fds.size(), init::kMostDescriptors));
    const init::Message message{init::Kind::mounts, init::Step::none, static_cast<std::uint32_t>(some.size()), 0};
    auto sent = sys::send_packet(launched.sync, {reinterpret_cast<const char*>(&message), sizeof message}, some);
    TRY(unless_gone(std::move(sent)).context("hand init its mounts"));
    fds = fds.subspan(some.size());
  }
  return {};
}

Result<void> tell_confinement(const LaunchPlan& plan, const Launched& launched) {
  init::Told told;
  told.message = {init::Kind::confinement, init::Step::none, static_cast<std::uint32_t>(plan.filter.size()), 0};
  TRY_ASSIGN(told.ignored_signals, ignored_signals());
  std::string packet(reinterpret_cast<const char*>(&told), sizeof told);
  packet.append(reinterpret_cast<const char*>(plan.filter.data()), plan.filter.size() * sizeof plan.filter[0]);
  return unless_gone(sys::send_packet(launched.sync, packet)).context("hand init its seccomp filter");
}

// While the read-only mount of our file is open it is the root of a mount namespace, and whoever gets at it by /proc/PID/exe may make it
// writable (mount_setattr(2)); afterwards nobody. Neighbours see init from its birth on, at the latest when it has its confinement. In a
// PID namespace of its own nobody does, and the mount's end, where the kernel waits for every processor, can wait.
void end_mount(const LaunchPlan& plan, const LaunchRequest& request, init::Birth birth) {
  if (request.seal != nullptr && plan.init.pid.fd >= 0 && plan.init.birth == birth) request.seal->mount.reset();
}

Result<void> go_on(LaunchPlan& plan, const LaunchRequest& request, Launched& launched, Attempt& attempt) {
  if (plan.init.root.awaited) {
    TRY_ASSIGN(const std::vector<int> made, request.make_mounts());
    plan.init.root.awaited = false;  // a second attempt has them from its birth on
    TRY(tell_mounts(launched, made));
  }
  if (!attempt.confined && request.confine) TRY(request.confine());
  attempt.confined = true;
  end_mount(plan, request, init::Birth::late);
  TRY(tell_confinement(plan, launched));
  return converse(plan, request, launched, attempt.killed_at_once);
}

// Then init may have come far: the mounts it was given have ended with it, and no second one can have them.
bool hit_memory_limit(FdRef cgroup) {
  const auto file = sys::open_at(cgroup, "memory.events", O_RDONLY);
  if (!file.ok()) return false;  // no such controller
  const auto text = sys::read_fd(file.value(), 4096);
  if (!text.ok()) return false;
  const auto events = cgroups::parse_memory_events(text.value());
  return events.ok() && events.value().oom_kill != 0;
}

// Clones and waits until init is ready. On error the process is gone.
Result<Launched> try_launch(LaunchPlan& plan, const LaunchRequest& request, Attempt& attempt) {
  TRY_ASSIGN(auto pair, sys::seqpacket_pair());
  if (plan.init.birth != init::Birth::none) TRY(sys::want_senders(pair.first));
  plan.init.sync_fd = pair.second.get();
  plan.borrow(pair.second.get());
  plan.freeze();
  if (request.seal != nullptr) plan.init.seal = seal_plan(*request.seal);
  end_mount(plan, request, init::Birth::early);
  TRY_ASSIGN(Launched launched, clone_init(plan, request));
  launched.sync = std::move(pair.first);
  pair.second.reset();
  const bool our_child = !request.child_of_parent;
  auto talked = go_on(plan, request, launched, attempt);
  if (talked.ok()) {
    // Now, while init executes the program: at the end of a mount the kernel waits for every processor.
    if (request.seal != nullptr) request.seal->mount.reset();
    return launched;
  }
  end_process(launched.pidfd, our_child);
  return std::move(talked).error();
}

}  // namespace

void end_process(FdRef pidfd, bool our_child) {
  (void)sys::pidfd_send_signal(pidfd, SIGKILL);
  // Not our child: whoever reaps it, its end is what we wait for.
  if (our_child) {
    (void)sys::wait_pidfd(pidfd);
  } else {
    (void)sys::poll_readable(pidfd, 10'000);
  }
}

Result<Launched> launch(LaunchPlan& plan, const LaunchRequest& request) {
  // A process of the container with CAP_SYS_PTRACE must not look into init before it is confined (CVE-2016-9962).
  if (!weakened(Defence::undumpable) && ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno(errno, "become undumpable");
  TRY(check_preserved(request.preserve_fds));
  TRY(plan_stdio(request.stdio, plan));
  plan.init.start_fd = request.start_fd;
  plan.init.preserve_fds = request.preserve_fds;
  TRY(leave_out_capabilities(plan.init));
  plan.borrow(request.start_fd);
  Attempt attempt;
  Result<Launched> launched = try_launch(plan, request, attempt);
  if (launched.ok() || !attempt.killed_at_once || request.cgroup < 0 || hit_memory_limit(FdRef(request.cgroup))) return launched;
  // Linux from 6.12.14 on kills what is cloned into a cgroup by a process whose own cgroup was ever killed (cgroup.kill): it compares the
  // counters of two different cgroups. So once more, where the process itself enters the cgroup: slower by a grace period of the kernel's.
  auto procs = sys::open_at(FdRef(request.cgroup), "cgroup.procs", O_WRONLY);
  if (!procs.ok()) return launched;  // removed: it was meant to die
  plan.init.enter_cgroup = plan.own(std::move(procs).take());
  return try_launch(plan, request, attempt);
}

}  // namespace slipway::runtime
