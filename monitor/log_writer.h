// The pod's log writer: a child of the monitor that waits for disks, so that the monitor never does.
//
// Started with the first log; one for all logs of a pod. It is found dead by its pidfd and replaced, at most once a second; what is in the
// rings goes on from where it was. When the monitor ends, it writes what is left and ends too. Owner: the Pod; one thread.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "monitor/log_ring.h"
#include "monitor/loop.h"

namespace slipway::monitor {

class LogWriter {
 public:
  // `progress`: from the loop, when a ring whose `waiting` was set has moved.
  LogWriter(Loop& loop, std::function<void()> progress) : loop_(loop), progress_(std::move(progress)) {}
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  ~LogWriter();

  // A ring for the log at this path, in state Open. The file is opened by the writer: nothing here touches it.
  Result<LogRing*> add(const std::string& path);
  void wake();
  bool idle() const;   // everything is written
  bool stuck() const;  // it waits for something, or is not there: not merely for a processor
  pid_t pid() const { return pidfd_.valid() ? pid_ : 0; }

  MonotonicNanos deadline() const { return restart_at_; }  // 0 = none
  void expire(MonotonicNanos now);

 private:
  Result<void> set_up();
  Result<void> start();
  void on_end();
  void trim();

  Loop& loop_;
  std::function<void()> progress_;
  LogRegion* region_ = nullptr;
  UniqueFd wake_, moved_;
  Watch moved_watch_;
  pid_t pid_ = 0;
  UniqueFd pidfd_;
  Watch pidfd_watch_;
  MonotonicNanos started_at_ = 0;
  MonotonicNanos restart_at_ = 0;
};

// The child's whole life. `parent`: the monitor's pidfd.
[[noreturn]] void write_logs(LogRegion& region, FdRef wake, FdRef moved, FdRef parent);

}  // namespace slipway::monitor
