// What slipwayd asks of a pod, request by request.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "base/ids.h"
#include "base/log.h"
#include "monitor/checkpoint_work.h"
#include "monitor/dial.h"
#include "monitor/pod.h"
#include "monitor/runner_work.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::monitor {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr MonotonicNanos kEndingTime = 10'000'000'000;
constexpr MonotonicNanos kGreetingTime = 2'000'000'000;
constexpr MonotonicNanos kEndingLogTime = 2'000'000'000;
constexpr std::int64_t kLongestCheckpoint = 3'600'000;    // ms
constexpr MonotonicNanos kPackingTime = 600'000'000'000;  // after criu: the archive is written

}  // namespace

void Pod::on_request(ControllerId from, Request& request, Fds fds) {
  const Asker asker{from, request.id()};
  later_ = false;
  tidy_later();
  const Result<void> result = dispatch(asker, request, std::move(fds));
  if (!later_) answer(asker, result);
}

Result<void> Pod::dispatch(const Asker& asker, Request& request, Fds fds) {
  if (ending_ && !request.has_hello() && !request.has_ack()) return fail(Code::failed_precondition, "the pod is being shut down");
  switch (request.call_case()) {
    case Request::kHello:
      if (request.hello().version() < 1) return fail(Code::invalid_argument, "hello of version {}", request.hello().version());
      hello(asker, request.hello());
      return {};
    case Request::kCreate: return create(asker, request.create());
    case Request::kStart: return start(asker, request.start());
    case Request::kSignal: return signal(request.signal());
    case Request::kRemove: return remove(asker, request.remove());
    case Request::kExec: return exec(asker, *request.mutable_exec(), std::move(fds));
    case Request::kUpdate: return update(asker, request.update());
    case Request::kShutdown: return shutdown(asker);
    case Request::kAck: events_.acknowledge(request.ack().sequence()); return {};
    case Request::kReopenLog: {
      TRY_ASSIGN(Container * container, find_live(request.reopen_log().id()));
      TRY(container->io.log().begin_reopen());
      later_ = true;
      reopen_log(asker, *container);
      return {};
    }
    case Request::kResize: {
      TRY_ASSIGN(Container * container, find_live(request.resize().id()));
      return container->io.resize(request.resize().width(), request.resize().height());
    }
    case Request::kCloseStdin: {
      TRY_ASSIGN(Container * container, find_live(request.close_stdin().id()));
      return container->io.close_stdin();
    }
    case Request::kAttach: return attach(asker, request.attach(), std::move(fds));
    case Request::kDial: return dial(asker, request.dial());
    case Request::kCheckpoint: return checkpoint(asker, request.checkpoint(), std::move(fds));
    case Request::CALL_NOT_SET: break;
  }
  return fail(Code::unimplemented, "this monitor (version {}) does not know that request", kVersion);
}

void Pod::hello(const Asker& asker, const Hello& request) {
  // Exec sessions belong to the controller that began them: nobody holds their other ends any more.
  for (const auto& [id, session] : sessions_) (void)signal_session(*session, SIGKILL, true);
  later_ = true;
  greeting_ = Greeting{asker, request.last_sequence(),
                       now_monotonic() + kGreetingTime};  // answered by the loop, as soon as no container is half made or half started
}

// By a descriptor, which no other process can become; -1: none is asked for.
Result<int> Pod::pid_process_of(const CreateContainer& request) {
  if (!request.pid_of().empty()) {
    TRY_ASSIGN(const Container* target, find_live(request.pid_of()));
    return target->pidfd.get();
  }
  if (parts_.init.pid == 0) {
    if (request.pid_of_init()) return fail(Code::failed_precondition, "the pod has no PID namespace of its own");
    return -1;
  }
  TRY_ASSIGN(const bool gone, sys::poll_readable(parts_.init.pidfd, 0));
  if (gone) return fail(Code::failed_precondition, "the init of the pod's PID namespace has died");
  return request.pid_of_init() ? parts_.init.pidfd.get() : -1;
}

Result<void> Pod::create(const Asker& asker, const CreateContainer& request) {
  const MonotonicNanos begun = now_monotonic();
  TRY(check_name("container id", request.id()));
  if (containers_.contains(request.id())) return fail(Code::already_exists, "the pod has a container '{}' already", request.id());
  if (request.cgroup().find_first_not_of('/') == std::string::npos)
    return fail(Code::invalid_argument, "container '{}': no cgroup of its own, '{}'", request.id(), request.cgroup());
  TRY_ASSIGN(const int pid_process, pid_process_of(request));
  auto container = std::make_unique<Container>(loop_);
  container->id = request.id();
  container->bundle = request.bundle();
  container->cgroup_path = request.cgroup();
  container->scope = request.systemd_cgroup();
  if (request.has_runtime()) container->runtime = request.runtime();
  TRY(container->io.open_log(log_writer_, request.log_path()));
  ContainerEnds ends;
  if (!request.tty()) {
    TRY_ASSIGN(ends, container->io.make_pipes(request.stdin(), request.stdin_once()));
  }
  TRY_ASSIGN(sys::Pipe start, sys::make_pipe());
  container->start_fd = std::move(start.write);

  const CreateWork work{&request, {ends.in.get(), ends.out.get(), ends.err.get()}, start.read.get(), pid_process, begun};
  TRY(begin_task(
      {ends.in.get(), ends.out.get(), ends.err.get(), start.read.get(), pid_process},
      [&work](Outcome& outcome) { run_create(work, outcome); },
      [this, id = request.id(), asker](Outcome outcome) { created(id, asker, std::move(outcome)); }));
  containers_.emplace(request.id(), std::move(container));
  later_ = true;
  return {};
}

Result<void> Pod::adopt(Container& container, Outcome& outcome) {
  if (outcome.reply.code() != 0) return to_error(outcome.reply);
  const std::size_t own = container.runtime ? 1 : 2;  // another runtime's init waits for its `start`
  if (outcome.fds.size() < own) return fail(Code::internal, "the runner reported {} descriptors", outcome.fds.size());
  container.pid = static_cast<pid_t>(outcome.reply.pid());
  container.pidfd = std::move(outcome.fds[0]);
  if (!container.runtime) container.sync = std::move(outcome.fds[1]);
  if (!outcome.reply.cgroup().empty()) container.cgroup_path = outcome.reply.cgroup();
  if (outcome.fds.size() > own) TRY(container.io.take_console(std::move(outcome.fds[own])));
  if (!container.cgroup_path.empty()) {
    TRY_ASSIGN(container.cgroup, cgroups::Cgroup::open(root_, container.cgroup_path));
    TRY(container.oom.start(loop_, *container.cgroup, pod_cgroup_ ? &*pod_cgroup_ : nullptr,
                            [this, id = container.id](std::uint64_t kills) { on_oom(id, kills); }));
  }
  return container.pidfd_watch.start(loop_, container.pidfd, EPOLLIN, [this, at = &container](std::uint32_t) { on_exit(*at); });
}

void Pod::created(const std::string& id, const Asker& asker, Outcome outcome) {
  const auto at = containers_.find(id);
  if (at == containers_.end()) return;
  Container& container = *at->second;
  const MonotonicNanos begun = now_monotonic();
  const auto adopted = adopt(container, outcome);
  outcome.fds.clear();
  if (!adopted.ok()) {
    // Whatever a runner left that ended without a word: its init sits in the container's cgroup.
    if (container.pidfd.valid()) (void)sys::pidfd_send_signal(container.pidfd, SIGKILL);
    if (!container.cgroup_path.empty())
      if (auto cgroup = cgroups::Cgroup::open(root_, container.cgroup_path); cgroup.ok()) (void)cgroup.value().kill();
    containers_.erase(at);
    return answer(asker, adopted);
  }
  container.state = Container::State::created;
  add_stage(outcome.reply, "adopt", begun);
  answer(asker, std::move(outcome.reply));
  if (ending_) end_everything();
}

Result<void> Pod::start(const Asker& asker, const StartContainer& request) {
  TRY_ASSIGN(Container * container, find_live(request.id()));
  if (container->state != Container::State::created || container->starting)
    return fail(Code::failed_precondition, "container '{}' has been started already", request.id());
  if (container->runtime) return start_by_runtime(asker, *container);
  TRY(container->sync_watch.start(loop_, container->sync, EPOLLIN, [this, container](std::uint32_t) { started(*container); }));
  const char byte = 0;
  const ssize_t n = sys::retry_eintr([&] { return ::write(container->start_fd.get(), &byte, 1); });
  if (n != 1) {
    const int err = errno;
    container->sync_watch.stop();
    return fail_errno(err, "start container '{}': its init is gone", request.id());
  }
  container->start_fd.reset();
  container->starting = asker;
  container->start_begun = now_monotonic();
  later_ = true;
  return {};
}

void Pod::started(Container& container) {
  container.sync_watch.stop();
  const Asker asker = *container.starting;
  container.starting.reset();
  // Readable (a failure or its end), or the process is dead.
  const Result<void> result =
      runtime::await_exec(container.sync, container.pid, container.pidfd, false).context("start container '{}'", container.id);
  container.sync.reset();
  if (!result.ok()) return answer(asker, result);
  container.state = Container::State::running;
  Reply reply;
  reply.set_pid(static_cast<std::uint32_t>(container.pid));
  add_stage(reply, "exec", container.start_begun);
  answer(asker, std::move(reply));
}

Result<void> Pod::start_by_runtime(const Asker& asker, Container& container) {
  TRY(begin_task(
      {container.pidfd.get()},
      [&container](Outcome& outcome) { run_start(*container.runtime, container.id, container.pidfd.get(), outcome); },
      [this, id = container.id, asker](Outcome outcome) { started_by_runtime(id, asker, std::move(outcome)); }));
  container.starting = asker;
  container.start_begun = now_monotonic();
  later_ = true;
  return {};
}

// The container may have ended meanwhile, and even be gone: that it was started is the answer all the same.
void Pod::started_by_runtime(const std::string& id, const Asker& asker, Outcome outcome) {
  const auto at = containers_.find(id);
  if (at != containers_.end()) {
    Container& container = *at->second;
    container.starting.reset();
    if (outcome.reply.code() == 0) {
      if (container.state == Container::State::created) container.state = Container::State::running;
      outcome.reply.set_pid(static_cast<std::uint32_t>(container.pid));
    }
    add_stage(outcome.reply, "start", container.start_begun);
  }
  answer(asker, std::move(outcome.reply));
}

Result<void> Pod::signal(const Signal& request) {
  const int number = static_cast<int>(request.signal());
  if (number < 1 || number >= NSIG) return fail(Code::invalid_argument, "signal {}", request.signal());
  if (const auto session = sessions_.find(request.id()); session != sessions_.end())
    return signal_session(*session->second, number, request.all());
  TRY_ASSIGN(Container * container, find(request.id()));
  if (container->state == Container::State::creating)
    return fail(Code::failed_precondition, "container '{}' is being created", request.id());
  if (request.all()) {
    if (number != SIGKILL) return fail(Code::invalid_argument, "a whole cgroup takes SIGKILL only, not {}", number);
    if (!container->cgroup) return fail(Code::failed_precondition, "container '{}' has no cgroup", request.id());
    return container->cgroup->kill();
  }
  if (container->state == Container::State::exited) return {};
  if (request.once() && container->stop_sent) return {};
  TRY(sys::pidfd_send_signal(container->pidfd, number));
  if (request.once()) container->stop_sent = true;
  return {};
}

Result<void> Pod::remove(const Asker& asker, const RemoveContainer& request) {
  const auto at = containers_.find(request.id());
  if (at == containers_.end()) return {};
  Container& container = *at->second;
  if (container.state != Container::State::exited || container.removing)
    return fail(Code::failed_precondition, "container '{}' {}", request.id(), container.removing ? "is being removed" : "has not exited");
  if (!container.cgroup || container.scope || container.cgroup->remove(0).ok()) {
    removed(request.id());
    return {};
  }
  // Processes of it are still dying: a fork waits for them.
  TRY(begin_task(
      {}, [path = container.cgroup_path](Outcome& outcome) { run_remove(path, outcome); },
      [this, id = request.id(), asker](Outcome outcome) {
        if (outcome.reply.code() == 0)
          removed(id);
        else if (const auto left = containers_.find(id); left != containers_.end())
          left->second->removing = false;
        answer(asker, std::move(outcome.reply));
      }));
  container.removing = true;
  later_ = true;
  return {};
}

void Pod::removed(const std::string& id) {
  if (const auto at = containers_.find(id); at != containers_.end() && at->second->tell_at != 0) tell_exit(*at->second);
  containers_.erase(id);
  if (auto gone = remove_exit_record(parts_.config.directory(), id); !gone.ok()) log::warn("{}", gone.error().message);
}

Result<void> Pod::attach(const Asker& asker, const Attach& request, Fds fds) {
  const std::size_t wanted = (request.stdout() ? 1U : 0U) + (request.stderr() ? 1U : 0U);
  if (fds.size() != wanted)
    return fail(Code::invalid_argument, "attach to '{}': {} descriptors, {} expected", request.id(), fds.size(), wanted);
  TRY_ASSIGN(Container * container, find_live(request.id()));
  if (container->state != Container::State::running) return fail(Code::failed_precondition, "container '{}' is not running", request.id());
  UniqueFd out, err;
  if (request.stderr()) err = std::move(fds.back());
  if (request.stdout()) out = std::move(fds.front());
  TRY(container->io.attach(std::move(out), std::move(err)));
  Reply reply;
  Fds lent;
  reply.set_tty(container->io.console());
  if (request.stdin() || container->io.console()) {
    TRY_ASSIGN(UniqueFd input, container->io.lend_input());
    if (input) lent.push_back(std::move(input));
  }
  answer(asker, std::move(reply), std::move(lent));
  later_ = true;
  return {};
}

Result<void> Pod::dial(const Asker& asker, const Dial& request) {
  if (request.port() < 1 || request.port() > UINT16_MAX) return fail(Code::invalid_argument, "port {}", request.port());
  const DialWork work{parts_.config.netns_path(), request.port()};
  TRY(begin_task(
      {}, [&work](Outcome& outcome) { run_dial(work, outcome); },
      [this, asker](Outcome outcome) { answer(asker, std::move(outcome.reply), std::move(outcome.fds)); }));
  later_ = true;
  return {};
}

Result<void> Pod::checkpoint(const Asker& asker, const Checkpoint& request, Fds fds) {
  TRY_ASSIGN(Container * container, find_live(request.id()));
  if (fds.size() != 1) return fail(Code::invalid_argument, "checkpoint of '{}': {} descriptors, one expected", request.id(), fds.size());
  if (container->state != Container::State::running) return fail(Code::failed_precondition, "container '{}' is not running", request.id());
  if (container->checkpointing) return fail(Code::aborted, "a checkpoint of container '{}' is being made", request.id());
  const MonotonicNanos most = std::clamp<MonotonicNanos>(request.timeout_ms(), 1, kLongestCheckpoint) * 1'000'000;
  const CheckpointWork work{&request,     container->bundle,     container->cgroup_path, container->pid, container->pidfd.get(),
                            fds[0].get(), now_monotonic() + most};
  TRY(begin_task(
      {work.pidfd, work.archive}, [&work](Outcome& outcome) { run_checkpoint(work, outcome); },
      [this, id = request.id(), scratch = request.scratch(), asker](Outcome outcome) {
        checkpointed(id, scratch, asker, std::move(outcome));
      },
      most + kPackingTime));
  container->checkpointing = true;
  later_ = true;
  return {};
}

void Pod::checkpointed(const std::string& id, const std::string& scratch, const Asker& asker, Outcome outcome) {
  const auto at = containers_.find(id);
  if (at != containers_.end()) at->second->checkpointing = false;
  if (outcome.reply.code() != 0) {
    // A fork that was killed has left the container frozen, and its images.
    if (at != containers_.end() && at->second->cgroup) (void)at->second->cgroup->thaw(0);
    (void)begin_task(
        {}, [&scratch](Outcome& cleared) { run_clear_checkpoint(scratch, cleared); }, [](const Outcome&) {});
  }
  answer(asker, std::move(outcome.reply));
}

Result<void> Pod::update(const Asker& asker, const Update& request) {
  TRY_ASSIGN(Container * container, find_live(request.id()));
  if (container->cgroup_path.empty()) return fail(Code::failed_precondition, "container '{}' has no cgroup", request.id());
  TRY(begin_task(
      {}, [&request, container](Outcome& outcome) { run_update(request, container->cgroup_path, outcome); },
      [this, asker](Outcome outcome) { answer(asker, std::move(outcome.reply)); }));
  later_ = true;
  return {};
}

Result<void> Pod::shutdown(const Asker& asker) {
  later_ = true;
  const MonotonicNanos now = now_monotonic();
  ending_ = Ending{asker, now + kEndingTime, now + kEndingLogTime};
  end_everything();
  return {};
}

}  // namespace slipway::monitor
