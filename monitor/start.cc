// Starting a monitor.
#include "monitor/start.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <utility>

#include "base/fault.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/undo.h"
#include "base/weaken.h"
#include "cgroups/cgroup.h"
#include "cgroups/unit_names.h"
#include "monitor/footprint.h"
#include "monitor/pod.h"
#include "runtime/scope.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::monitor {
namespace {

constexpr std::size_t kMaxConfig = 64 * 1024;
constexpr const char* kOomScoreAdj = "-999";
constexpr std::int64_t kFilesSize = 4 << 20;  // the host's own /etc/hosts may be a megabyte

class Stages {
 public:
  explicit Stages(std::vector<Stage>& out) : out_(out), begun_(now_monotonic()) {}
  void end(const char* name) {
    const MonotonicNanos now = now_monotonic();
    Stage stage;
    stage.set_name(name);
    stage.set_start(begun_);
    stage.set_duration(now - begun_);
    out_.push_back(std::move(stage));
    begun_ = now;
  }

 private:
  std::vector<Stage>& out_;
  MonotonicNanos begun_;
};

Result<PodConfig> read_config(FdRef fd) {
  TRY_ASSIGN(const std::string text, sys::read_fd(fd, kMaxConfig));
  PodConfig config;
  if (!config.ParseFromString(text)) return fail(Code::invalid_argument, "the pod's configuration cannot be read");
  if (config.version() < 1) return fail(Code::invalid_argument, "the pod's configuration has version {}", config.version());
  TRY(check_name("pod id", config.pod_id()));
  if (!config.directory().starts_with('/')) return fail(Code::invalid_argument, "pod directory '{}' is not absolute", config.directory());
  if (config.host_pid() && config.share_pid()) return fail(Code::invalid_argument, "the host's PID namespace or a shared one, not both");
  return config;
}

// Diagnostics go to a file of the pod's: slipwayd's stderr may end with slipwayd.
Result<void> detach(const PodConfig& config) {
  (void)::setsid();
  (void)::umask(0022);
  if (::chdir("/") != 0) return fail_errno(errno, "enter /");
  TRY_ASSIGN(const UniqueFd null, sys::open_path("/dev/null", O_RDWR));
  TRY_ASSIGN(const UniqueFd log_file,
             sys::open_path(config.directory() + "/monitor.log", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600));
  if (::dup2(null.get(), 0) < 0 || ::dup2(null.get(), 1) < 0 || ::dup2(log_file.get(), 2) < 0)
    return fail_errno(errno, "set up descriptors 0 to 2");
  return {};
}

// The pod ends by Shutdown only: a terminal's or an init system's signal is not one.
void set_signals() {
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  (void)::sigprocmask(SIG_SETMASK, &blocked, nullptr);
  for (const int signal : {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2}) (void)::signal(signal, SIG_IGN);
}

Origin protect_from_oom() {
  Origin origin;
  if (weakened(Defence::oom_protection)) return origin;
  auto before = sys::read_file("/proc/self/oom_score_adj", 64);
  if (before.ok()) origin.oom_score_adj = std::move(before).take();
  const auto fd = sys::open_path("/proc/self/oom_score_adj", O_WRONLY);
  const auto written = fd.ok() ? sys::write_all(fd.value(), kOomScoreAdj) : Result<void>(fd.error());
  if (!written.ok()) log::warn("not protected from the OOM killer: oom_score_adj {}: {}", kOomScoreAdj, written.error().message);
  return origin;
}

Result<void> make_pod(PodParts& parts, Stages& stages, Undo& undo) {
  const fault::Operation operation("MonitorStart");
  const PodConfig& config = parts.config;
  TRY_ASSIGN(parts.namespaces, make_namespaces(config, parts.origin));
  stages.end("namespaces");
  if (!config.netns_path().empty()) {
    TRY(pin_network(parts.namespaces.net, config.netns_path()));
    TRY(undo.add("unpin", [path = config.netns_path()] { return unpin_network(path); }));
    parts.namespaces.net.reset();  // the mount holds it
    stages.end("pin network");
  }
  TRY_ASSIGN(const PodRoot owner, pod_root(config));
  const std::string shm = config.directory() + "/shm";
  if (!config.host_ipc()) {
    TRY(mount_tmpfs(shm, {"1777", config.shm_size(), owner, config.mount_label()}));
    TRY(undo.add("unmount", [shm] { return unmount_tmpfs(shm); }));
  }
  const std::string files = config.directory() + "/files";
  TRY(mount_tmpfs(files, {"755", kFilesSize, owner, config.files_label()}));
  TRY(undo.add("unmount", [files] { return unmount_tmpfs(files); }));
  stages.end("tmpfs");
  if (config.share_pid()) {
    PodNamespaces joined;
    if (!config.netns_path().empty()) {
      TRY_ASSIGN(joined.net, sys::open_path(config.netns_path(), O_RDONLY));
    }
    // Without the copy the pod's init would live in the host's namespace: that is an error, not an absence.
    for (const auto member : {&PodNamespaces::ipc, &PodNamespaces::user, &PodNamespaces::uts}) {
      if (!(parts.namespaces.*member).valid()) continue;
      TRY_ASSIGN(joined.*member, sys::copy_fd(parts.namespaces.*member));
    }
    TRY_ASSIGN(parts.init, start_pod_init(joined, config.directory(), config.mount_label()));
    stages.end("pod init");
  }
  return {};
}

// For who reads /proc/MONITOR/net: the pod's counters are there as long as the pod is, whichever containers come and go.
Result<UniqueFd> enter_network(const PodConfig& config) {
  TRY_ASSIGN(UniqueFd before, sys::open_path("/proc/self/ns/net", O_RDONLY));
  TRY_ASSIGN(const UniqueFd pod, sys::open_path(config.netns_path(), O_RDONLY));
  if (::setns(pod.get(), CLONE_NEWNET) != 0) return fail_errno(errno, "enter '{}'", config.netns_path());
  return before;
}

// Who is told how the start went: slipwayd the whole story, the first process its exit status. Once only.
struct Report {
  UniqueFd slipwayd;
  UniqueFd first_process;

  // False: slipwayd is not there to take it.
  bool send(const Reply& reply) {
    const bool taken = slipwayd.valid() && sys::write_all(slipwayd, reply.SerializeAsString()).ok();
    const char status = reply.code() == 0 ? 0 : 1;
    if (first_process) (void)!::write(first_process.get(), &status, 1);
    slipwayd.reset();
    first_process.reset();
    return taken;
  }
  void send(const Error& error) {
    Reply reply;
    set_error(reply, error);
    (void)send(reply);
  }
};

Result<void> serve(PodConfig config, Report& report) {
  PodParts parts;
  Stages stages(parts.stages);
  parts.config = std::move(config);
  TRY(detach(parts.config));
  set_signals();
  if (!parts.config.faults().empty()) fault::arm(parts.config.faults());
  parts.origin = protect_from_oom();
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return fail_errno(errno, "become a subreaper");
  TRY_ASSIGN(cgroups::Root root, cgroups::open_root());
  stages.end("detach");
  Undo undo;
  TRY(make_pod(parts, stages, undo));
  UniqueFd host_network;
  if (parts.config.enter_network() && !parts.config.netns_path().empty()) {
    TRY_ASSIGN(host_network, enter_network(parts.config));
    parts.origin.host_network = host_network.get();
  }
  TRY_ASSIGN(Loop loop, Loop::open());
  Pod pod(loop, std::move(parts), std::move(root));
  TRY(pod.start());
  Reply reply;
  *reply.mutable_welcome() = pod.welcome();
  // A pod that nobody has been told of must not stay.
  if (!report.send(reply)) return fail(Code::cancelled, "slipwayd went away while the pod was being made");
  undo.dismiss();
  stay_small();
  return pod.run();
}

enum class Side { parent, child };

// The parent returns when the child has ended, which is at once: the child only forks the monitor.
Result<sys::ExitStatus> wait_for_child(pid_t child) {
  TRY_ASSIGN(const UniqueFd pidfd, sys::pidfd_open(child));
  return sys::wait_pidfd(pidfd);
}

Result<Side> fork_child() {
  const pid_t child = ::fork();
  if (child < 0) return fail_errno(errno, "fork the monitor");
  if (child == 0) return Side::child;
  TRY(wait_for_child(child));
  return Side::parent;
}

// Into the monitor's cgroup from its first moment: moving a process costs the kernel an RCU grace period, 5 to 15 ms.
Result<Side> clone_into(const cgroups::Cgroup& cgroup) {
  clone_args args{};
  args.flags = CLONE_INTO_CGROUP;
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<std::uint64_t>(cgroup.dir().get());
  const long child = ::syscall(SYS_clone3, &args, sizeof args);
  if (child < 0) return fail_errno(errno, "fork the monitor into its cgroup");
  if (child == 0) return Side::child;
  TRY_ASSIGN(const sys::ExitStatus status, wait_for_child(static_cast<pid_t>(child)));
  if (status.signal != SIGKILL) return Side::parent;
  // Killed before its first instruction, since slipwayd sits in a cgroup that was once killed (runtime/launch.cc): it goes there by itself.
  TRY_ASSIGN(const Side side, fork_child());
  if (side == Side::child) TRY(sys::write_file_at(cgroup.dir(), "cgroup.procs", "0").context("enter the monitor's cgroup"));
  return side;
}

Result<Side> fork_into(const PodConfig& config) {
  if (config.monitor_cgroup().empty()) return fork_child();
  if (cgroups::is_scope(config.monitor_cgroup())) {
    runtime::ScopeRequest request;
    request.path = config.monitor_cgroup();
    request.description = "slipway monitor of pod " + config.pod_id();
    TRY_ASSIGN(const runtime::Scope scope, runtime::Scope::start(request));
    return clone_into(scope.cgroup());  // from here on the scope is held by the child too
  }
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  TRY_ASSIGN(const cgroups::Cgroup cgroup, cgroups::Cgroup::open(root, config.monitor_cgroup()));
  return clone_into(cgroup);
}

// The first process waits until the monitor has reported; the monitor is nobody's child of slipwayd's.
int wait_for_report(FdRef told, Report report) {
  char status = 0;
  if (sys::retry_eintr([&] { return ::read(told.get(), &status, 1); }) == 1) return status;
  report.send(fail(Code::internal, "the monitor ended at its start without a word"));
  return 1;
}

int give_up(Report& report, const Error& error) {
  report.send(error);
  return 1;
}

}  // namespace

int run_monitor(UniqueFd config_fd, UniqueFd report_fd) {
  set_up_small_heap();
  Report report{std::move(report_fd), {}};
  auto config = read_config(config_fd);
  if (!config.ok()) return give_up(report, config.error());
  auto pipe = sys::make_pipe();
  if (!pipe.ok()) return give_up(report, pipe.error());
  UniqueFd told = std::move(pipe.value().read);
  report.first_process = std::move(pipe.value().write);
  const auto side = fork_into(config.value());
  if (!side.ok()) return give_up(report, side.error());
  if (side.value() == Side::parent) {
    report.first_process.reset();
    return wait_for_report(told, std::move(report));
  }
  // Once more, by the C library: after a bare clone3 its idea of the thread's id is the parent's.
  const pid_t child = ::fork();
  if (child < 0) return give_up(report, fail_errno(errno, "fork the monitor"));
  if (child > 0) ::_exit(0);
  told.reset();
  config_fd.reset();
  const auto served = serve(std::move(config).take(), report);
  if (served.ok()) return 0;
  log::error("{}", served.error().message);
  return give_up(report, served.error());
}

}  // namespace slipway::monitor
