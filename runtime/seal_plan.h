// The container's first process moved off the runner's writable file: before anybody can look at its /proc/PID/exe (CVE-2019-5736).
//
// One thread. prctl(2), PR_SET_MM_MAP: the link to the executable may be changed where no page of the old file is mapped any more; so init
// maps over its segments first (init/step_seal.cc). That costs a tenth of executing the runner again through a read-only mount (ADR 7).
#pragma once

#include "base/unique_fd.h"
#include "runtime/init/plan.h"

namespace slipway::runtime {

// What the command line keeps from its start to the clone, and what it learns there.
struct Seal {
  UniqueFd mount;               // read-only
  UniqueFd file;                // our own program, opened through it
  char* const* argv = nullptr;  // main's: on the first stack, as environ is
  bool refused = false;         // the kernel would not: nothing was begun, and the runner can execute itself again instead
};

// Whether init can move: this program is static, and the kernel knows PR_SET_MM_MAP (CONFIG_CHECKPOINT_RESTORE).
bool can_seal_init();

// Right before the clone: the heap's end is told, too.
init::SealPlan seal_plan(const Seal& seal);

}  // namespace slipway::runtime
