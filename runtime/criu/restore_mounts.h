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
#include "runtime/momentary_mounts.h"
#include "runtime/mount_plan.h"

namespace slipway::runtime::criu {

// Into a mount namespace for criu, where `scratch`, an empty directory, is covered by a tmpfs.
Result<void> enter_private_mounts(MomentaryMounts& mounts, const std::string& scratch);

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

// Within enter_private_mounts. Makes mount points that the root lacks, as create would.
Result<RestoreMounts> make_restore_mounts(const RestoreMountsRequest& request);

}  // namespace slipway::runtime::criu
