// A fork of the monitor that does one piece of work and reports once: the runner, a namespace maker, a clean-up.
//
// The work runs in the child (its heap dies with it); it answers with a Reply and descriptors over a SEQPACKET pair that the loop
// watches, so the monitor never waits. The child is not reaped here: the monitor's SIGCHLD handling takes all that is not a
// container's. Forked with SIGCHLD, since a container made with CLONE_PARENT inherits that signal.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "monitor/loop.h"
#include "slipway/monitor.pb.h"

namespace slipway::monitor {

// What every fork must put back before it becomes something else.
struct Origin {
  std::string oom_score_adj;  // before the monitor set its own; empty = unknown
  int host_network = -1;      // of the monitor's for its life, where it has entered its pod's network namespace
};

struct Outcome {
  Reply reply;
  std::vector<UniqueFd> fds;
};

class Task {
 public:
  using Work = std::function<void(Outcome&)>;         // in the child
  using Done = std::function<void(Outcome outcome)>;  // in the monitor, from the loop; may destroy the Task

  // `keep`: descriptors that the child needs; all others are closed there before the work begins (other containers' pipes, the
  // controller's socket), since a created container waits for its start with copies of what its maker held.
  static Result<std::unique_ptr<Task>> start(Loop& loop, const Origin& origin, std::span<const int> keep, MonotonicNanos deadline,
                                             const Work& work, Done done);
  // The same, waited for: before there is a loop.
  static Result<Outcome> run(const Origin& origin, std::span<const int> keep, const Work& work);
  ~Task();

  MonotonicNanos deadline() const { return deadline_; }
  // The deadline has passed: ends the child; the outcome follows from the loop.
  void expire();

 private:
  Task() = default;
  static Result<std::unique_ptr<Task>> fork_child(const Origin& origin, std::span<const int> keep, const Work& work);
  void on_ready();
  Outcome receive(bool wait);

  UniqueFd socket_;
  UniqueFd pidfd_;
  Watch watch_;
  MonotonicNanos deadline_ = 0;
  bool expired_ = false;
  Done done_;
};

// A stage that began then and ends now.
void add_stage(Reply& reply, const char* name, MonotonicNanos begun);

// Sets what an error says into a Reply.
void set_error(Reply& reply, const Error& error);
// What the work came to: an error goes without descriptors.
void settle(const Result<void>& result, Outcome& outcome);
Error to_error(const Reply& reply);

// Closes every descriptor but these and 0, 1, 2.
void close_all_but(std::vector<int> keep);

}  // namespace slipway::monitor
