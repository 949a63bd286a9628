// A running container as one archive: criu's images, what it changed in its root, and what describes it. The container goes on.
//
// The archive is a tar as podman, CRI-O and containerd write and read it:
//   config.dump     which container this was, of which image         spec.dump       its config.json
//   checkpoint/     criu's images, with descriptors.json             dump.log        criu's log
//   rootfs-diff.tar new and changed files of its root                stats-dump      criu's numbers
//   deleted.files   a JSON list of files that are gone; only where there are some
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "oci/spec.h"
#include "runtime/container_record.h"

namespace slipway::runtime::criu {

struct ExportRequest {
  std::string program;  // criu, absolute
  const ContainerRecord* record = nullptr;
  const oci::Spec* spec = nullptr;
  int pidfd = -1;  // borrowed: proves that record->pid is still the same
  std::string spec_dump, config_dump;
  std::string upper;               // of its overlay
  std::vector<std::string> lower;  // topmost first
  std::string scratch;             // a directory made here and removed again; what an earlier call left in it goes
  int archive = -1;                // borrowed: an empty file
  MonotonicNanos deadline = 0;     // criu is to be ready by then
};

// The container is frozen until its root has been read. On error it goes on as before, and nothing but the archive's file is left.
Result<void> export_checkpoint(const ExportRequest& request);

// What a call that was killed may have left.
Result<void> remove_scratch(const std::string& scratch);

}  // namespace slipway::runtime::criu
