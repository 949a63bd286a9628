// Which mounts of a container are not its own: binds, what of the host lies beneath them, devices. criu takes those for given.
//
// By what is really mounted, not by config.json alone: only so are they found where links, submounts and masks have their say.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/criu/notes.h"
#include "runtime/mount_plan.h"
#include "sys/mountinfo.h"

namespace slipway::runtime::criu {

struct MountFacts {
  std::vector<sys::MountLine> container;  // of its first process
  std::vector<sys::MountLine> host;
  // The mount that a clean path in the container's root leads to; not_found where there is none.
  std::function<Result<std::uint64_t>(const std::string&)> mount_at;
};

// Pure but for `mount_at`.
Result<std::vector<ExternalMount>> find_external_mounts(const MountPlan& plan, const MountFacts& facts);

// Of the container whose first process this is.
Result<MountFacts> read_mount_facts(pid_t pid);

}  // namespace slipway::runtime::criu
