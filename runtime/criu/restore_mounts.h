// What criu needs of the host's files to restore a container: its root and its external mounts, in a mount namespace of criu's own.
//
// Made as create makes them, from config.json: what images say of their sources is not believed. Nothing is mounted where the host sees
// it, and nothing is left when criu has ended.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"
#include "runtime/criu/notes.h"
#include "runtime/mount_plan.h"

namespace slipway::runtime::criu {

// The calling process is in a mount namespace of its own between enter() and leave(); what it starts meanwhile stays there.
class PrivateMounts {
 public:
  PrivateMounts() = default;
  PrivateMounts(const PrivateMounts&) = delete;
  PrivateMounts& operator=(const PrivateMounts&) = delete;
  ~PrivateMounts() { (void)leave(); }

  // `scratch`, an empty directory, is covered by a tmpfs.
  Result<void> enter(const std::string& scratch);
  // Back where this process was. That it stayed elsewhere would be noticed too late: it is an error.
  Result<void> leave();

 private:
  UniqueFd directory_, home_;
};

struct RestoreMounts {
  std::string root;                   // a mount point
  std::vector<std::string> external;  // "mnt[NAME]:PATH"
  std::string cgroup_yard;            // Options::cgroup_yard: here a mount, since criu follows it from within the container's root too
};

struct RestoreMountsRequest {
  const oci::Spec* spec = nullptr;
  std::string bundle;
  std::string scratch;
  const Notes* notes = nullptr;
};

// Within PrivateMounts. Makes mount points that the root lacks, as create would.
Result<RestoreMounts> make_restore_mounts(const RestoreMountsRequest& request);

}  // namespace slipway::runtime::criu
