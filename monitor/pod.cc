// The pod's life in the loop: tasks, exits, strangers, the end.
#include "monitor/pod.h"

#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>

#include "base/log.h"
#include "monitor/footprint.h"
#include "sys/process.h"

namespace slipway::monitor {
namespace {

constexpr MonotonicNanos kSecond = 1'000'000'000;
constexpr MonotonicNanos kTidyTime = kSecond / 2;  // after the last request
constexpr MonotonicNanos kLogTime = kSecond / 2;   // an exit waits this long for its log: whoever hears of it may read it

}  // namespace

Pod::Pod(Loop& loop, PodParts parts, cgroups::Root root)
    : loop_(loop),
      log_writer_(loop, std::bind_front(&Pod::on_log_progress, this)),
      parts_(std::move(parts)),
      root_(std::move(root)),
      link_(loop, *this) {
  if (parts_.config.cgroup().empty()) return;
  auto cgroup = cgroups::Cgroup::open(root_, parts_.config.cgroup());
  if (cgroup.ok())
    pod_cgroup_ = std::move(cgroup).take();
  else
    log::warn("the pod's cgroup is not watched: {}", cgroup.error().message);
}

Result<void> Pod::start() {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  children_fd_.reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!children_fd_) return fail_errno(errno, "watch for children");
  TRY(children_watch_.start(loop_, children_fd_, EPOLLIN, [this](std::uint32_t) { on_children(); }));
  if (parts_.init.pid != 0) TRY(init_watch_.start(loop_, parts_.init.pidfd, EPOLLIN, [this](std::uint32_t) { on_init_exit(); }));
  return link_.listen(parts_.config.directory() + "/monitor.sock");
}

Result<void> Pod::run() {
  while (!done_) {
    // Also between events: a container that never stops writing must not keep a hung task from its end.
    const MonotonicNanos deadline = next_deadline();
    TRY_ASSIGN(const bool event, loop_.step(deadline));
    const MonotonicNanos now = now_monotonic();
    if (!event || (deadline != 0 && deadline <= now)) expire(now);
    if (greeting_) greet();
    if (ending_ && settled()) give_back();
  }
  return {};
}

MonotonicNanos Pod::next_deadline() const {
  MonotonicNanos next = ending_ ? ending_->deadline : tidy_at_;
  const auto earlier = [&next](MonotonicNanos at) {
    if (at != 0 && (next == 0 || at < next)) next = at;
  };
  for (const auto& task : tasks_) earlier(task->deadline());
  earlier(log_writer_.deadline());
  for (const auto& [id, container] : containers_) {
    earlier(container->io.deadline());
    earlier(container->tell_at);
    if (container->reopening) earlier(container->reopening->latest);
  }
  if (greeting_) earlier(greeting_->latest);
  if (ending_ && ending_->logs_until > now_monotonic() && !log_writer_.idle()) earlier(ending_->logs_until);
  return next;
}

void Pod::expire(MonotonicNanos now) {
  if (tidy_at_ != 0 && tidy_at_ <= now) {
    tidy_at_ = 0;
    clear_parts();
    stay_small();
    drop_code_pages();
  }
  for (const auto& task : tasks_)
    if (task->deadline() <= now) task->expire();
  log_writer_.expire(now);
  on_log_progress();
  if (ending_ && ending_->deadline <= now) {
    const Asker asker = ending_->asker;
    ending_.reset();
    answer(asker, fail(Code::deadline_exceeded, "processes of the pod could not be ended"));
  }
}

void Pod::tidy_later() {
  tidy_at_ = now_monotonic() + kTidyTime;
}

Result<void> Pod::begin_task(std::vector<int> keep, const Task::Work& work, Task::Done done, MonotonicNanos most) {
  tasks_.emplace_back();
  const auto at = std::prev(tasks_.end());
  auto finish = [this, at, done = std::move(done)](Outcome outcome) {
    const std::unique_ptr<Task> task = std::move(*at);  // ends after `done`
    tasks_.erase(at);
    done(std::move(outcome));
    if (tasks_.empty()) reap_strangers();
    stay_small();
  };
  auto task = Task::start(loop_, parts_.origin, keep, now_monotonic() + most, work, std::move(finish));
  if (!task.ok()) {
    tasks_.erase(at);
    return std::move(task).error();
  }
  *at = std::move(task).take();
  return {};
}

Result<Container*> Pod::find(const std::string& id) {
  const auto at = containers_.find(id);
  if (at == containers_.end()) return fail(Code::not_found, "the pod has no container '{}'", id);
  return at->second.get();
}

Result<Container*> Pod::find_live(const std::string& id) {
  TRY_ASSIGN(Container * container, find(id));
  if (container->state == Container::State::creating) return fail(Code::failed_precondition, "container '{}' is being created", id);
  if (container->state == Container::State::exited) return fail(Code::failed_precondition, "container '{}' has exited", id);
  return container;
}

void Pod::answer(const Asker& asker, const Result<void>& result) {
  Reply reply;
  if (!result.ok()) set_error(reply, result.error());
  answer(asker, std::move(reply));
}

void Pod::answer(const Asker& asker, Reply reply, Fds fds) {
  reply.set_id(asker.request);
  link_.reply(asker.controller, reply, std::move(fds));
}

void Pod::tell(Event event) {
  const Event& kept = events_.push(std::move(event));
  if (!greeting_) link_.event(kept);  // before Welcome none is sent: it would come twice
}

void Pod::on_exit(Container& container) {
  if (container.starting && !container.runtime) started(container);  // while it is a zombie: /proc tells whether it came to exec
  const auto status = sys::try_wait_pidfd(container.pidfd);
  if (!status.ok()) log::error("container '{}': {}", container.id, status.error().message);
  if (status.ok() && !status.value()) return;  // a spurious wake
  container.pidfd_watch.stop();
  container.exit = make_exit_record(status.ok() ? *status.value() : sys::ExitStatus{255, 0}, now_realtime());
  container.io.drain();
  if (container.cgroup) {
    const cgroups::Cgroup* pod = pod_cgroup_ ? &*pod_cgroup_ : nullptr;
    container.oom.stop(*container.cgroup, pod);
    if (container.oom.unread()) presume_oom(container);
    ended_kills_ += container.oom.kills();
    container.exit.set_oom_killed(container.oom.kills() > 0);
    if (container.oom.where() == OomWatch::Where::container) container.exit.set_oom_cgroup(container.cgroup_path);
    if (container.oom.where() == OomWatch::Where::pod) container.exit.set_oom_cgroup(parts_.config.cgroup());
    // With a PID namespace of its own nothing is left; in a shared one the rest must not outlive its container.
    if (auto killed = container.cgroup->kill(); !killed.ok()) log::warn("container '{}': {}", container.id, killed.error().message);
  }
  container.state = Container::State::exited;
  container.start_fd.reset();
  container.sync_watch.stop();
  container.sync.reset();
  container.pidfd.reset();
  if (auto written = write_exit_record(parts_.config.directory(), container.id, container.exit); !written.ok())
    log::error("exit record of '{}': {}", container.id, written.error().message);
  if (container.io.told()) return tell_exit(container);
  container.tell_at = now_monotonic() + kLogTime;
}

void Pod::tell_exit(Container& container) {
  container.tell_at = 0;
  container.io.end_attachments();
  Event event;
  event.mutable_exited()->set_id(container.id);
  *event.mutable_exited()->mutable_exit() = container.exit;
  tell(std::move(event));
}

void Pod::on_log_progress() {
  const MonotonicNanos now = now_monotonic();
  for (const auto& [id, container] : containers_) settle_log(*container, now);
}

// What waits for the log: reading, an exit's word, a rotation.
void Pod::settle_log(Container& container, MonotonicNanos now) {
  container.io.go_on(now);
  if (container.tell_at != 0 && (container.io.told() || now >= container.tell_at)) tell_exit(container);
  if (!container.reopening) return;
  container.io.log().want_progress();  // before it is looked at
  const auto done = container.io.log().reopened();
  if (!done && now < container.reopening->latest) return;
  const Asker asker = container.reopening->asker;
  container.reopening.reset();
  answer(asker, done ? *done : Result<void>(fail(Code::deadline_exceeded, "the log's disk does not answer")));
}

void Pod::reopen_log(const Asker& asker, Container& container) {
  constexpr MonotonicNanos kReopenTime = 8 * kSecond;
  container.reopening = Container::Reopening{asker, now_monotonic() + kReopenTime};
  settle_log(container, now_monotonic());
}

// systemd may have taken the scope away before its counters were read. The pod's cgroup counts for all beneath it: what it has more than
// the containers have told of was this one's.
void Pod::presume_oom(Container& container) {
  if (!pod_cgroup_ || container.exit.signal() != SIGKILL) return;
  const auto all = pod_cgroup_->oom_kills();
  if (!all.ok()) return;
  std::uint64_t told = ended_kills_;
  for (const auto& [id, other] : containers_)
    if (other->state != Container::State::exited) told += other->oom.kills();
  if (all.value() > told) container.oom.presume(*pod_cgroup_, all.value() - told);
}

void Pod::on_oom(const std::string& id, std::uint64_t kills) {
  Event event;
  event.mutable_oom()->set_container_id(id);
  event.mutable_oom()->set_oom_kill(kills);
  tell(std::move(event));
}

void Pod::on_init_exit() {
  init_watch_.stop();
  if (ending_) return;
  log::error("the init of the pod's PID namespace has died: its containers end, none can be made");
  init_died_ = true;
  Event event;
  event.mutable_pod_init_exited();
  tell(std::move(event));
}

void Pod::on_children() {
  signalfd_siginfo info;
  while (::read(children_fd_.get(), &info, sizeof info) > 0) continue;
  // A fork under way may be making a container, which is our child already: only its report tells that it is no stranger.
  if (tasks_.empty()) reap_strangers();
}

// Children by pidfd go their own way; forks that have reported and orphans (we are a subreaper) end here.
void Pod::reap_strangers() {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    const pid_t pid = info.si_pid;
    const auto container = std::find_if(containers_.begin(), containers_.end(),
                                        [pid](const auto& entry) { return entry.second->pid == pid && entry.second->pidfd.valid(); });
    if (container != containers_.end()) {
      on_exit(*container->second);
      continue;
    }
    const auto session = std::find_if(sessions_.begin(), sessions_.end(), [pid](const auto& entry) { return entry.second->pid == pid; });
    if (session != sessions_.end()) {
      on_session_exit(std::string(session->first));
      continue;
    }
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) != 0) return;
  }
}

Welcome Pod::welcome() const {
  Welcome out;
  out.set_version(1);
  out.set_monitor_pid(static_cast<std::uint32_t>(::getpid()));
  out.set_pod_id(parts_.config.pod_id());
  out.set_init_pid(static_cast<std::uint32_t>(parts_.init.pid));
  out.set_last_sequence(events_.last());
  out.set_init_died(init_died_);
  Namespaces& names = *out.mutable_namespaces();
  names.set_network(parts_.config.netns_path());
  if (parts_.namespaces.ipc.valid()) {
    names.set_ipc(fmt::format("/proc/{}/fd/{}", ::getpid(), parts_.namespaces.ipc.get()));
    names.set_shm(parts_.config.directory() + "/shm");
  }
  if (parts_.namespaces.uts.valid()) names.set_uts(fmt::format("/proc/{}/fd/{}", ::getpid(), parts_.namespaces.uts.get()));
  if (parts_.namespaces.user.valid()) names.set_user(fmt::format("/proc/{}/fd/{}", ::getpid(), parts_.namespaces.user.get()));
  names.set_files(parts_.config.directory() + "/files");
  if (parts_.init.pid != 0) names.set_pid(fmt::format("/proc/{}/ns/pid", parts_.init.pid));
  for (const Stage& stage : parts_.stages) *out.add_stages() = stage;
  for (const auto& [id, container] : containers_) {
    if (container->state == Container::State::creating) continue;
    ContainerState& state = *out.add_containers();
    state.set_id(id);
    state.set_pid(static_cast<std::uint32_t>(container->pid));
    state.set_cgroup(container->cgroup_path);
    state.set_state(container->state == Container::State::exited    ? ContainerState::EXITED
                    : container->state == Container::State::running ? ContainerState::RUNNING
                                                                    : ContainerState::CREATED);
    if (container->state == Container::State::exited) *state.mutable_exit() = container->exit;
  }
  return out;
}

void Pod::greet() {
  const auto unsettled = [](const auto& entry) { return entry.second->state == Container::State::creating || entry.second->starting; };
  if (now_monotonic() < greeting_->latest && std::any_of(containers_.begin(), containers_.end(), unsettled)) return;
  const Greeting greeting = *greeting_;
  greeting_.reset();
  Reply reply;
  *reply.mutable_welcome() = welcome();
  answer(greeting.asker, std::move(reply));
  for (const Event& event : events_.kept())
    if (event.sequence() > greeting.last_sequence) link_.event(event);
}

bool Pod::settled() const {
  const auto alive = [](const auto& entry) { return entry.second->state != Container::State::exited || entry.second->tell_at != 0; };
  if (!tasks_.empty() || !sessions_.empty() || init_watch_.active() || std::any_of(containers_.begin(), containers_.end(), alive))
    return false;
  return log_writer_.idle() || now_monotonic() >= ending_->logs_until;
}

void Pod::end_everything() {
  for (const auto& [id, container] : containers_) {
    if (container->cgroup) (void)container->cgroup->kill();
    if (container->pidfd.valid()) (void)sys::pidfd_send_signal(container->pidfd, SIGKILL);
  }
  for (const auto& [id, session] : sessions_) (void)sys::pidfd_send_signal(session->pidfd, SIGKILL);
  if (parts_.init.pid != 0) (void)sys::pidfd_send_signal(parts_.init.pidfd, SIGKILL);
}

void Pod::give_back() {
  constexpr int kRemoveWaitMs = 2000;
  reap_strangers();  // the pod's init too: nobody else may be there to do it
  Result<void> result;
  const auto keep_first = [&result](Result<void> step) {
    if (result.ok() && !step.ok()) result = std::move(step);
  };
  for (const auto& [id, container] : containers_) {
    if (container->cgroup_path.empty() || container->scope) continue;
    container->cgroup.reset();
    keep_first(cgroups::Cgroup::kill_and_remove(root_, container->cgroup_path, kRemoveWaitMs));
  }
  containers_.clear();
  if (!parts_.config.host_ipc()) keep_first(unmount_tmpfs(parts_.config.directory() + "/shm"));
  keep_first(unmount_tmpfs(parts_.config.directory() + "/files"));
  // The network namespace keeps its name: slipwayd takes it away after the DEL, which needs it.
  link_.close();
  answer(ending_->asker, result);
  ending_.reset();
  done_ = true;
}

}  // namespace slipway::monitor
