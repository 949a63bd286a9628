// The container's root as a detached mount: a bind of root.path or an overlay.
#pragma once

#include <string>

#include "base/result.h"
#include "oci/spec.h"
#include "runtime/runner.h"
#include "runtime/user_namespace.h"
#include "sys/mount.h"

namespace slipway::runtime {

// Nothing mounted on it reaches the host, whatever linux.rootfsPropagation says; of the host's later mounts beneath root.path it
// sees those that "slave" and "shared" ask for. In a user namespace an overlay's layers are id-mapped, so that images stay as they are
// unpacked; root.path is taken as it is (its owner is whoever prepared the bundle).
Result<sys::DetachedMount> make_root(const oci::Spec& spec, const std::string& bundle, const std::optional<OverlayRoot>& overlay,
                                     const UserNamespace* user);

// An image's content or a part of it, detached; with the SELinux label `label` (several layers only); id-mapped where there is a user
// namespace. Links lead nowhere but into the image. The caller makes the mount read-only. not_found: no such sub_path; failed_precondition:
// it is neither directory nor file.
Result<sys::DetachedMount> make_image_mount(const ImageVolume& volume, const std::string& label, const UserNamespace* user);

// root.path, absolute.
std::string root_path(const oci::Spec& spec, const std::string& bundle);

// MS_… that the root gets at the very end; 0 = it stays private.
Result<std::uint64_t> root_propagation(const oci::Spec& spec);

}  // namespace slipway::runtime
