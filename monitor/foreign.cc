// Containers and exec sessions by another runtime's command line.
#include "monitor/foreign.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <optional>

#include "base/fault.h"
#include "base/text.h"
#include "cgroups/cgroup.h"
#include "monitor/foreign_call.h"
#include "runtime/root.h"
#include "runtime/user_namespace.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/process.h"
#include "sys/socket.h"

namespace slipway::monitor {
namespace {

// The overlay at the bundle's root.path, as long as this lives. Whoever is killed meanwhile leaves it to slipwayd, who removes the bundle.
class MountedRoot {
 public:
  MountedRoot() = default;
  MountedRoot(const MountedRoot&) = delete;
  MountedRoot& operator=(const MountedRoot&) = delete;
  ~MountedRoot() {
    if (!path_.empty()) (void)::umount2(path_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  }

  Result<void> mount(const oci::Spec& spec, const CreateContainer& request) {
    const auto overlay = overlay_of(request);
    if (!overlay) return {};  // root.path is the root itself
    TRY_ASSIGN(const auto user, runtime::plan_user_namespace(spec));
    TRY_ASSIGN(const sys::DetachedMount root, runtime::make_root(spec, request.bundle(), overlay, user ? &*user : nullptr));
    const std::string path = runtime::root_path(spec, request.bundle());
    TRY(sys::make_directories(path, 0755));
    TRY_ASSIGN(const UniqueFd target, sys::open_path(path, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    TRY(sys::attach(root, target).context("mount the root at '{}'", path));
    path_ = path;
    return {};
  }

 private:
  std::string path_;
};

// Where the runtime sends a terminal's master (runc's --console-socket): one connection, one descriptor. Its path is short whatever the
// bundle's is: sun_path ends at 107 bytes.
class ConsoleSocket {
 public:
  ConsoleSocket() = default;
  ConsoleSocket(const ConsoleSocket&) = delete;
  ConsoleSocket& operator=(const ConsoleSocket&) = delete;
  ~ConsoleSocket() {
    if (listener_) (void)::unlinkat(directory_.get(), name_.c_str(), 0);
  }

  Result<void> listen(const std::string& directory, const std::string& id) {
    name_ = "console-" + id;
    TRY_ASSIGN(directory_, sys::open_path(directory, O_PATH | O_DIRECTORY));
    TRY_ASSIGN(listener_, sys::listen_unix(directory + "/" + name_, SOCK_STREAM));
    return {};
  }
  std::string path() const { return fmt::format("/proc/{}/fd/{}/{}", ::getpid(), directory_.get(), name_); }

  // After the runtime's end: what it has sent is there.
  Result<UniqueFd> take() const {
    TRY_ASSIGN(const bool called, sys::poll_readable(listener_, 0));
    if (!called) return fail(Code::internal, "the runtime has sent no terminal");
    const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) return fail_errno(errno, "take the runtime's connection for the terminal");
    constexpr std::size_t kMaxName = 4096;  // the message is the terminal's name
    TRY_ASSIGN(sys::Packet packet, sys::receive_packet(connection, kMaxName, false));
    if (packet.fds.size() != 1) return fail(Code::internal, "the runtime has sent {} descriptors for a terminal", packet.fds.size());
    return std::move(packet.fds[0]);
  }

 private:
  std::string name_;
  UniqueFd directory_, listener_;
};

Result<pid_t> parse_pid(std::string_view text, std::string_view where) {
  text = trim(text, " \t\n");
  const auto pid = to_number<pid_t>(text);
  if (!pid || *pid <= 0) return fail(Code::internal, "{}: '{}' is no number of a process", where, text);
  return *pid;
}

Result<pid_t> parent_of(pid_t pid) {
  TRY_ASSIGN(const std::string status, sys::read_file(fmt::format("/proc/{}/status", pid), 64 * 1024));
  constexpr std::string_view kField = "\nPPid:";
  const std::size_t at = status.find(kField);
  if (at == std::string::npos) return fail(Code::internal, "/proc/{}/status has an unknown form", pid);
  const std::size_t from = at + kField.size();
  return parse_pid(std::string_view(status).substr(from, status.find('\n', from) - from), "PPid");
}

struct Made {
  pid_t pid = 0;
  UniqueFd pidfd;
};

bool is_in(std::string_view path, std::string_view cgroup) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (cgroup.starts_with('/')) cgroup.remove_prefix(1);
  return path.starts_with(cgroup) && (path.size() == cgroup.size() || path[cgroup.size()] == '/');
}

// The process that the runtime names. It stays what it is until we have reported: the monitor reaps no stranger meanwhile
// (Pod::on_children). By its cgroup it is limited, counted and ended.
Result<Made> take_process(const std::string& pid_file, const std::string& cgroup) {
  auto text = sys::read_file(pid_file, 64);
  (void)::unlink(pid_file.c_str());
  if (!text.ok()) return std::move(text).error().within("what the runtime made");
  Made made;
  TRY_ASSIGN(made.pid, parse_pid(text.value(), pid_file));
  TRY_ASSIGN(made.pidfd, sys::pidfd_open(made.pid));
  TRY_ASSIGN(const pid_t parent, parent_of(made.pid));
  if (parent != ::getppid()) return fail(Code::internal, "process {} of the runtime is {}'s child, not the monitor's", made.pid, parent);
  TRY_ASSIGN(const bool ended, sys::poll_readable(made.pidfd, 0));
  if (ended) return made;
  auto place = cgroups::path_of(made.pid);
  if (place.ok() && is_in(place.value(), cgroup)) return made;
  (void)sys::pidfd_send_signal(made.pidfd, SIGKILL);
  if (!place.ok()) return std::move(place).error();
  return fail(Code::internal, "the runtime has put process {} into the cgroup '{}', not into '{}'", made.pid, place.value(), cgroup);
}

void put_made(Made made, UniqueFd console, Outcome& outcome) {
  outcome.reply.set_pid(static_cast<std::uint32_t>(made.pid));
  outcome.fds.push_back(std::move(made.pidfd));
  if (console) outcome.fds.push_back(std::move(console));
}

Result<bool> has_ended(int pidfd) {
  if (pidfd < 0) return false;
  return sys::poll_readable(FdRef(pidfd), 0);
}

// By its path: the runtime knows no descriptors. That the number was not another's meanwhile is looked at before and after.
Result<void> check_joined(const CreateWork& work) {
  TRY_ASSIGN(const bool gone, has_ended(work.pid_process));
  if (gone) return fail(Code::failed_precondition, "the process whose PID namespace is to be joined has ended");
  return {};
}

// A process that a runtime adds inherits what the runtime has, which is slipwayd's own.
Result<void> take_oom_score(const oci::Process& process) {
  if (!process.oom_score_adj) return {};
  TRY_ASSIGN(const UniqueFd file, sys::open_path("/proc/self/oom_score_adj", O_WRONLY));
  return sys::write_all(file, std::to_string(*process.oom_score_adj)).context("oom_score_adj");
}

Result<void> make_part(const ExecWork& work) {
  if (work.part.empty()) return {};
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  TRY_ASSIGN(const cgroups::Cgroup container, cgroups::Cgroup::open(root, work.cgroup));
  TRY(container.make_part(work.part));
  return {};
}

void drop_part(const ExecWork& work) {
  if (work.part.empty()) return;
  const auto root = cgroups::open_root();
  if (!root.ok()) return;
  if (const auto container = cgroups::Cgroup::open(root.value(), work.cgroup); container.ok())
    (void)container.value().remove_part(work.part);
}

Result<void> exec_once(const ExecWork& work, const std::string& process_path, Outcome& outcome) {
  const std::string& session = work.request->id();
  const std::string pid_file = fmt::format("{}/exec-{}.pid", work.bundle, session);
  ConsoleSocket console;
  std::vector<std::string> words = {"exec", "--detach", "--process", process_path, "--pid-file", pid_file};
  if (!work.part.empty()) words.insert(words.end(), {"--cgroup", work.part});
  if (work.request->tty()) {
    TRY(console.listen(work.bundle, session));
    words.insert(words.end(), {"--console-socket", console.path()});
  }
  words.push_back(work.request->container_id());
  const MonotonicNanos begun = now_monotonic();
  const auto called = call_runtime(*work.runtime, words, work.stdio);
  if (!called.ok()) {
    (void)::unlink(pid_file.c_str());
    return called;
  }
  TRY_ASSIGN(Made made, take_process(pid_file, work.cgroup));
  UniqueFd master;
  if (work.request->tty()) {
    auto taken = console.take();
    if (!taken.ok()) (void)sys::pidfd_send_signal(made.pidfd, SIGKILL);  // nobody else would end it
    TRY_ASSIGN(master, std::move(taken));
  }
  add_stage(outcome.reply, "runtime exec", begun);
  put_made(std::move(made), std::move(master), outcome);
  return {};
}

}  // namespace

Result<void> create_by_runtime(const CreateWork& work, const oci::Spec& spec, Outcome& outcome) {
  const CreateContainer& request = *work.request;
  const OciRuntime& runtime = request.runtime();
  MonotonicNanos begun = now_monotonic();
  TRY(check_joined(work));
  TRY(fault::point("create"));
  MountedRoot root;
  TRY(root.mount(spec, request));
  add_stage(outcome.reply, "mounts", begun);
  fault::moment("the root is mounted");
  const std::string pid_file = request.bundle() + "/pid";
  ConsoleSocket console;
  std::vector<std::string> words = {"create", "--bundle", request.bundle(), "--pid-file", pid_file};
  if (request.tty()) {
    TRY(console.listen(request.bundle(), request.id()));
    words.insert(words.end(), {"--console-socket", console.path()});
  }
  words.push_back(request.id());
  begun = now_monotonic();
  TRY(call_runtime(runtime, words, work.stdio));
  fault::moment("created");
  add_stage(outcome.reply, "runtime create", begun);
  TRY_ASSIGN(Made made, take_process(pid_file, request.cgroup()));
  TRY(check_joined(work));
  UniqueFd master;
  if (request.tty()) {
    TRY_ASSIGN(master, console.take());
  }
  outcome.reply.set_cgroup(request.cgroup());
  put_made(std::move(made), std::move(master), outcome);
  return {};
}

Result<void> exec_by_runtime(const ExecWork& work, const oci::Process& process, const std::string& json, Outcome& outcome) {
  TRY(fault::point("exec"));
  TRY_ASSIGN(const UniqueFd file, sys::memory_file("process", json));
  TRY(take_oom_score(process));
  TRY(make_part(work));
  auto made = exec_once(work, fmt::format("/proc/{}/fd/{}", ::getpid(), file.get()), outcome);
  if (!made.ok()) drop_part(work);
  fault::moment("executed");
  return made;
}

Result<void> start_by_runtime(const OciRuntime& runtime, const std::string& id, int pidfd) {
  // The number that the runtime recorded is this process's as long as nobody has reaped it.
  TRY_ASSIGN(const bool gone, has_ended(pidfd));
  if (gone) return fail(Code::failed_precondition, "container '{}' has ended before its start", id);
  return call_runtime(runtime, {"start", id}, {});
}

}  // namespace slipway::monitor
