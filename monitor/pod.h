// One pod as its monitor knows it: the containers, the exec sessions, what is under way, what must still be told.
//
// Everything happens in the loop's one thread; nothing waits. A request is either answered at once, or it starts a Task (a fork)
// or a wait for a descriptor, whose end answers it. The order at a container's exit: reap, read what is left in the pipes,
// read memory.events, kill what is left of the cgroup, exit record to disk, then the event.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "cgroups/cgroup.h"
#include "monitor/container_io.h"
#include "monitor/events.h"
#include "monitor/exits.h"
#include "monitor/link.h"
#include "monitor/log_writer.h"
#include "monitor/loop.h"
#include "monitor/pod_init.h"
#include "monitor/pod_namespaces.h"
#include "monitor/task.h"
#include "slipway/monitor.pb.h"

namespace slipway::monitor {

// Who waits for an answer.
struct Asker {
  ControllerId controller = 0;
  std::uint64_t request = 0;
};

struct Container {
  explicit Container(Loop& loop) : io(loop) {}

  enum class State { creating, created, running, exited };
  std::string id, bundle, cgroup_path;
  State state = State::creating;
  pid_t pid = 0;
  UniqueFd pidfd;
  Watch pidfd_watch;
  UniqueFd start_fd;  // the init waits for a byte from it
  UniqueFd sync;      // how its exec went
  Watch sync_watch;
  std::optional<Asker> starting;  // StartContainer, not yet answered
  MonotonicNanos start_begun = 0;
  ContainerIo io;
  std::optional<cgroups::Cgroup> cgroup;
  std::optional<OciRuntime> runtime;  // another than our own runner
  bool scope = false;                 // the cgroup is a systemd scope: it goes with its last process, and slipwayd sees to it
  OomWatch oom;
  ExitRecord exit;
  MonotonicNanos tell_at = 0;  // exited and not yet told: its log is being written; 0 = told, or not exited
  struct Reopening {
    Asker asker;
    MonotonicNanos latest = 0;
  };
  std::optional<Reopening> reopening;
  bool removing = false;
  bool stop_sent = false;  // Signal.once
  bool checkpointing = false;
  std::vector<std::string> parts;  // cgroups of sessions that have ended, with processes in them still
};

// An exec, from the request on: until its runner has reported it has no process yet.
struct Session {
  std::string id, container_id;
  bool doomed = false;  // killed before it had one
  bool part = false;    // with a cgroup of its own
  pid_t pid = 0;
  UniqueFd pidfd;
  Watch pidfd_watch;
};

// All that a started monitor owns besides the pod's processes.
struct PodParts {
  PodConfig config;
  Origin origin;
  PodNamespaces namespaces;
  PodInit init;  // pid 0 = none
  std::vector<Stage> stages;
};

class Pod final : public Requests {
 public:
  Pod(Loop& loop, PodParts parts, cgroups::Root root);
  Pod(const Pod&) = delete;
  Pod& operator=(const Pod&) = delete;

  Result<void> start();  // listens and watches for children
  // The loop until a Shutdown is done.
  Result<void> run();

  void on_request(ControllerId from, Request& request, std::vector<UniqueFd> fds) override;
  Welcome welcome() const;

 private:
  using Fds = std::vector<UniqueFd>;
  static constexpr MonotonicNanos kTaskTime = 60'000'000'000;

  // pod_requests.cc: a request each. What they return is the answer; those that answer later say so by `later_`.
  Result<void> dispatch(const Asker& asker, Request& request, Fds fds);
  Result<void> create(const Asker& asker, const CreateContainer& request);
  Result<int> pid_process_of(const CreateContainer& request);
  Result<void> start(const Asker& asker, const StartContainer& request);
  Result<void> start_by_runtime(const Asker& asker, Container& container);
  void started_by_runtime(const std::string& id, const Asker& asker, Outcome outcome);
  Result<void> signal(const Signal& request);
  Result<void> remove(const Asker& asker, const RemoveContainer& request);
  Result<void> attach(const Asker& asker, const Attach& request, Fds fds);
  Result<void> dial(const Asker& asker, const Dial& request);
  Result<void> checkpoint(const Asker& asker, const Checkpoint& request, Fds fds);
  void checkpointed(const std::string& id, const std::string& scratch, const Asker& asker, Outcome outcome);
  Result<void> update(const Asker& asker, const Update& request);
  Result<void> shutdown(const Asker& asker);
  void hello(const Asker& asker, const Hello& request);
  void created(const std::string& id, const Asker& asker, Outcome outcome);
  Result<void> adopt(Container& container, Outcome& outcome);
  void started(Container& container);
  void removed(const std::string& id);

  // pod_sessions.cc
  Result<void> exec(const Asker& asker, Exec& request, Fds fds);
  void executed(const std::string& id, const Asker& asker, Outcome outcome);
  Result<void> begin_session(Session& session, Outcome& outcome);
  // `all`: also all that the process has started (SIGKILL), or its process group (another signal).
  Result<void> signal_session(Session& session, int number, bool all);
  Result<void> kill_part(const Session& session);
  void on_session_exit(const std::string& id);
  void end_session(const std::string& id);
  void clear_parts();
  static void clear_parts(Container& container);

  // pod.cc
  Result<void> begin_task(std::vector<int> keep, const Task::Work& work, Task::Done done, MonotonicNanos most = kTaskTime);
  Result<Container*> find(const std::string& id);
  Result<Container*> find_live(const std::string& id);
  void answer(const Asker& asker, const Result<void>& result);
  void answer(const Asker& asker, Reply reply, Fds fds = {});
  void tell(Event event);
  void on_exit(Container& container);
  void tell_exit(Container& container);
  void reopen_log(const Asker& asker, Container& container);
  void on_log_progress();
  void settle_log(Container& container, MonotonicNanos now);
  void presume_oom(Container& container);
  void on_oom(const std::string& id, std::uint64_t kills);
  void on_children();
  void on_init_exit();
  void reap_strangers();
  void tidy_later();
  void greet();
  MonotonicNanos next_deadline() const;
  void expire(MonotonicNanos now);
  bool settled() const;  // nothing of the pod is alive or under way
  void end_everything();
  void give_back();  // after the last process: cgroups, mounts, socket

  Loop& loop_;
  LogWriter log_writer_;  // outlives the containers
  PodParts parts_;
  cgroups::Root root_;
  std::optional<cgroups::Cgroup> pod_cgroup_;
  std::uint64_t ended_kills_ = 0;  // by the kernel for want of memory, in containers that have ended
  Link link_;
  EventQueue events_;
  UniqueFd children_fd_;  // signalfd
  Watch children_watch_;
  Watch init_watch_;
  std::map<std::string, std::unique_ptr<Container>> containers_;
  std::map<std::string, std::unique_ptr<Session>> sessions_;
  std::list<std::unique_ptr<Task>> tasks_;
  bool later_ = false;
  bool init_died_ = false;
  struct Greeting {
    Asker asker;
    std::uint64_t last_sequence = 0;
    MonotonicNanos latest = 0;
  };
  std::optional<Greeting> greeting_;  // Hello waits a little for containers that are being created or started: Welcome shows them
  struct Ending {
    Asker asker;
    MonotonicNanos deadline = 0;
    MonotonicNanos logs_until = 0;  // the last entries are waited for no longer
  };
  std::optional<Ending> ending_;
  MonotonicNanos tidy_at_ = 1;  // when nothing has been asked for a while: give memory and cgroups back; 0 = done
  bool done_ = false;
};

}  // namespace slipway::monitor
