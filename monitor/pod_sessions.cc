// Exec sessions: their beginning, their signals, their end.
//
// A session's process may have a cgroup of its own beneath its container's (a part: limited and counted as if it were in the container's).
// All that it has started can be ended then, whatever groups, sessions and parents those processes have taken since (ADR 16).
#include <string.h>
#include <unistd.h>

#include <csignal>

#include "base/ids.h"
#include "base/log.h"
#include "base/weaken.h"
#include "monitor/pod.h"
#include "monitor/runner_work.h"
#include "sys/descriptor.h"
#include "sys/process.h"

namespace slipway::monitor {
namespace {

std::string part_of(const std::string& session) {
  return "exec-" + session;
}

// An environment may be in it: it leaves the heap for a file that only one fork reads.
Result<UniqueFd> to_memfd(std::string& json) {
  auto file = sys::memory_file("process", json);
  ::explicit_bzero(json.data(), json.size());
  json.clear();
  return file;
}

struct ExecFds {
  UniqueFd process, in, out, err;
};

Result<ExecFds> sort_fds(Exec& request, std::vector<UniqueFd> fds) {
  ExecFds sorted;
  const int sources = (request.process_fd() ? 1 : 0) + (request.process_path().empty() ? 0 : 1) + (request.process_json().empty() ? 0 : 1);
  if (sources != 1) return fail(Code::invalid_argument, "exec '{}': exactly one of process_fd, process_path, process_json", request.id());
  if (request.tty() && (request.has_stdin() || request.has_stdout() || request.has_stderr()))
    return fail(Code::invalid_argument, "exec '{}': a terminal or descriptors, not both", request.id());
  std::size_t next = 0;
  const auto take = [&fds, &next](bool wanted, UniqueFd& into) {
    if (wanted && next < fds.size()) into = std::move(fds[next]);
    if (wanted) ++next;
  };
  take(request.process_fd(), sorted.process);
  take(request.has_stdin(), sorted.in);
  take(request.has_stdout(), sorted.out);
  take(request.has_stderr(), sorted.err);
  if (next != fds.size()) return fail(Code::invalid_argument, "exec '{}': {} descriptors, {} expected", request.id(), fds.size(), next);
  if (!request.process_json().empty()) {
    TRY_ASSIGN(sorted.process, to_memfd(*request.mutable_process_json()));
  }
  return sorted;
}

}  // namespace

Result<void> Pod::exec(const Asker& asker, Exec& request, Fds fds) {
  const MonotonicNanos begun = now_monotonic();
  TRY(check_name("exec id", request.id()));
  if (sessions_.contains(request.id()) || containers_.contains(request.id()))
    return fail(Code::already_exists, "'{}' exists already", request.id());
  TRY_ASSIGN(const ExecFds given, sort_fds(request, std::move(fds)));
  TRY_ASSIGN(Container * container, find_live(request.container_id()));
  if (container->state != Container::State::running)
    return fail(Code::failed_precondition, "container '{}' is not running", request.container_id());
  ExecWork work;
  work.request = &request;
  work.bundle = container->bundle;
  work.cgroup = container->cgroup_path;
  const bool part = request.part() && (!container->runtime || container->runtime->exec_cgroup());
  if (part) work.part = part_of(request.id());
  if (container->runtime) work.runtime = &*container->runtime;
  work.pid = container->pid;
  work.pidfd = container->pidfd.get();
  work.process_fd = given.process.get();
  work.stdio = {given.in.get(), given.out.get(), given.err.get()};
  work.begun = begun;
  TRY(begin_task(
      {container->pidfd.get(), given.process.get(), given.in.get(), given.out.get(), given.err.get()},
      [&work](Outcome& outcome) { run_exec(work, outcome); },
      [this, id = request.id(), asker](Outcome outcome) { executed(id, asker, std::move(outcome)); }));
  auto session = std::make_unique<Session>();
  session->id = request.id();
  session->container_id = request.container_id();
  session->part = part;
  sessions_.emplace(request.id(), std::move(session));
  later_ = true;
  return {};
}

void Pod::executed(const std::string& id, const Asker& asker, Outcome outcome) {
  Session& session = *sessions_.at(id);
  const auto begun = begin_session(session, outcome);
  if (!begun.ok()) {
    (void)kill_part(session);  // a runner that ended without a word may have left its process there
    end_session(id);
    return answer(asker, begun);
  }
  outcome.fds.erase(outcome.fds.begin());
  answer(asker, std::move(outcome.reply), std::move(outcome.fds));
  if (session.doomed) (void)signal_session(session, SIGKILL, true);
  if (ending_) end_everything();
}

Result<void> Pod::begin_session(Session& session, Outcome& outcome) {
  if (outcome.reply.code() != 0) return to_error(outcome.reply);
  if (outcome.fds.empty()) return fail(Code::internal, "the runner reported no descriptor");
  session.pid = static_cast<pid_t>(outcome.reply.pid());
  session.pidfd = std::move(outcome.fds[0]);
  auto watched = session.pidfd_watch.start(loop_, session.pidfd, EPOLLIN, [this, id = session.id](std::uint32_t) { on_session_exit(id); });
  if (!watched.ok()) (void)sys::pidfd_send_signal(session.pidfd, SIGKILL);
  return watched;
}

Result<void> Pod::signal_session(Session& session, int number, bool all) {
  if (session.pid == 0) {  // its runner is still at work
    if (number != SIGKILL) return fail(Code::failed_precondition, "exec '{}' is being started", session.id);
    session.doomed = true;
    return {};
  }
  // Its init made it the leader of a process group.
  // lint: allow kill, because the number is nobody else's: we are the one that reaps it, and have not
  if (all) (void)::kill(-session.pid, number);
  if (all && number == SIGKILL && !weakened(Defence::exec_parts))
    if (const auto killed = kill_part(session); !killed.ok()) log::warn("exec '{}': {}", session.id, killed.error().message);
  return sys::pidfd_send_signal(session.pidfd, number);
}

Result<void> Pod::kill_part(const Session& session) {
  const auto container = containers_.find(session.container_id);
  if (!session.part || container == containers_.end() || !container->second->cgroup) return {};
  const auto part = container->second->cgroup->open_part(part_of(session.id));
  if (part.ok()) {
    TRY(part.value().kill());
    return part.value().signal_each(SIGKILL);  // whom cgroup.kill does not reach
  }
  if (part.error().code == Code::not_found) return {};
  return part.error();
}

void Pod::on_session_exit(const std::string& id) {
  const auto at = sessions_.find(id);
  if (at == sessions_.end()) return;
  const auto status = sys::try_wait_pidfd(at->second->pidfd);
  if (status.ok() && !status.value()) return;
  Event event;
  event.mutable_exec_exited()->set_id(id);
  event.mutable_exec_exited()->set_container_id(at->second->container_id);
  *event.mutable_exec_exited()->mutable_exit() = make_exit_record(status.ok() ? *status.value() : sys::ExitStatus{255, 0}, now_realtime());
  end_session(std::string(id));
  tell(std::move(event));
}

// Its cgroup goes as soon as nobody is in it: what a session left running on purpose stays, what was killed takes a moment.
void Pod::end_session(const std::string& id) {
  const auto session = std::move(sessions_.at(id));
  sessions_.erase(id);
  const auto container = containers_.find(session->container_id);
  if (!session->part || container == containers_.end()) return;
  container->second->parts.push_back(part_of(id));
  clear_parts(*container->second);
  if (!container->second->parts.empty()) tidy_later();
}

void Pod::clear_parts() {
  for (const auto& [id, container] : containers_) clear_parts(*container);
}

void Pod::clear_parts(Container& container) {
  if (!container.cgroup) return;
  std::erase_if(container.parts, [&container](const std::string& name) { return container.cgroup->remove_part(name).ok(); });
}

}  // namespace slipway::monitor
