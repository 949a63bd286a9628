// How a container ended, and what memory.events says about it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "cgroups/cgroup.h"
#include "monitor/loop.h"
#include "slipway/monitor.pb.h"
#include "sys/process.h"

namespace slipway::monitor {

ExitRecord make_exit_record(const sys::ExitStatus& status, UnixNanos finished_at);

// DIR/containers/ID/exit: readers see no record or a whole one.
Result<void> write_exit_record(const std::string& pod_directory, const std::string& id, const ExitRecord& record);
Result<void> remove_exit_record(const std::string& pod_directory, const std::string& id);

// memory.events of one container's cgroup, by POLLPRI. Silent where the memory controller is off.
class OomWatch {
 public:
  using Callback = std::function<void(std::uint64_t oom_kill)>;  // the counter has grown

  // `pod`: where the limit may have been hit instead; its counter is taken now for comparison.
  Result<void> start(Loop& loop, const cgroups::Cgroup& container, const cgroups::Cgroup* pod, Callback callback);
  // Reads for the last time and lets go: before anything removes the cgroup.
  void stop(const cgroups::Cgroup& container, const cgroups::Cgroup* pod);

  // The cgroup was gone before stop could read it.
  bool unread() const { return unread_; }
  // Then: so many were killed, by what the pod's cgroup tells.
  void presume(const cgroups::Cgroup& pod, std::uint64_t kills);

  std::uint64_t kills() const { return kills_; }
  enum class Where { node, pod, container };
  Where where() const { return where_; }

 private:
  void read();

  UniqueFd events_;
  Watch watch_;
  Callback callback_;
  std::uint64_t kills_ = 0;
  std::uint64_t pod_ooms_ = 0;
  bool unread_ = false;
  Where where_ = Where::node;
};

}  // namespace slipway::monitor
