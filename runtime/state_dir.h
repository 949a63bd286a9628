// A container's state directory ROOT/ID: state.json, config.json as it was, exec.fifo until started; host-root, cgroup-kept.
//
// 0700, made by mkdir (which decides who owns a name), locked by flock while it is changed. Everything goes by its descriptor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/container_record.h"
#include "runtime/host_root.h"

namespace slipway::runtime {

class StateDir {
 public:
  // already_exists when the name is taken.
  static Result<StateDir> create(const std::string& root, const std::string& id);
  // not_found when there is none.
  static Result<StateDir> open(const std::string& root, const std::string& id);
  static Result<std::vector<std::string>> list(const std::string& root);

  // Until unlock() or this object's end: nobody else changes the container.
  Result<void> lock() const;
  void unlock() const;

  // nullopt: the container is half made; its maker is at work, or died.
  Result<std::optional<ContainerRecord>> read() const;
  Result<void> write(const ContainerRecord& record) const;
  Result<std::string> read_config() const;
  Result<void> write_config(std::string_view text) const;

  // nullopt: nothing of the container's is mounted on the host.
  Result<std::optional<HostRoot>> read_host_root() const;
  Result<void> write_host_root(const HostRoot& root) const;

  // The cgroup was there before the container, and config.json is written after that is known.
  Result<void> mark_cgroup_kept() const;
  bool is_cgroup_kept() const;

  // The waiting init holds both ends, so that `start` finds a reader exactly while init waits.
  Result<UniqueFd> make_start_fifo() const;
  // nullopt: nobody waits for start.
  Result<std::optional<UniqueFd>> open_start_fifo() const;
  Result<UniqueFd> open_report_fifo() const;
  void remove_start_fifo() const;

  Result<void> remove() const;
  // Somebody has; its name may be another container's by now.
  bool removed() const;
  // Who has made the container.
  Result<uid_t> owner() const;

 private:
  StateDir(std::string root, std::string id, UniqueFd parent, UniqueFd dir)
      : root_(std::move(root)), id_(std::move(id)), parent_(std::move(parent)), dir_(std::move(dir)) {}

  std::string root_;
  std::string id_;
  UniqueFd parent_;
  UniqueFd dir_;
};

// The process a record names, if it still is that one and has not ended.
Result<std::optional<UniqueFd>> open_process(const ContainerRecord& record);
// Field 22 of /proc/PID/stat; nullopt: no such process. A zombie has one too: its pidfd says whether it has ended.
Result<std::optional<std::uint64_t>> process_start_time(pid_t pid);

// Its cgroup is, by whomever; one that has no cgroup any more is not.
Result<bool> is_frozen(const ContainerRecord& record);

// Asks the kernel: process, FIFO and freezer.
Result<Status> status_of(const StateDir& dir, const ContainerRecord& record);

// The name of who has made the container, by /etc/passwd; "#1000" where that has none.
Result<std::string> owner_of(const StateDir& dir);

}  // namespace slipway::runtime
