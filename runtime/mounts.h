// The mount plan carried out as far as the runner can: detached mounts in a LaunchPlan, ready for init to attach.
#pragma once

#include <string>

#include "base/result.h"
#include "oci/spec.h"
#include "runtime/launch_plan.h"
#include "runtime/mount_plan.h"
#include "runtime/runner.h"
#include "sys/mount.h"

namespace slipway::runtime {

// What each mount is to be, without its descriptor; and what masked and read-only paths need. Nothing is mounted here.
Result<void> plan_entries(const oci::Spec& spec, const MountPlan& mounts, LaunchPlan& plan);

// After that. `root` must be made already: without a mount over /dev its devices go into the root itself.
// `user`: the container's user namespace, nullptr = ours. `images`: binds that are images' content.
Result<void> make_mounts(const oci::Spec& spec, const MountPlan& mounts, const sys::DetachedMount& root, const UserNamespace* user,
                         const std::vector<ImageVolume>& images, LaunchPlan& plan);

Result<void> make_masks(LaunchPlan& plan);

}  // namespace slipway::runtime
