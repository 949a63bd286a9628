// An ordinary user's way to a container: root of the container's user namespace first; from there on all is done as root does it.
//
//   slipway (user)                            the same process, executed again: --within
//     config.json's id maps ──▶ newuidmap       CAP_SYS_ADMIN over its user and mount namespace; the container stays in its user
//     join, become 0, own mounts ──▶ exec       namespace, so the plan has none to make
//
// Single-threaded callers. What cannot be had without the machine's root (device nodes, device rules, cgroups that nobody delegated) is
// decided where it is refused.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"

namespace slipway::runtime {

// The caller is not root, neither the machine's nor of a user namespace. No system call.
bool is_ordinary_user();

// The user namespace that linux.namespaces asks for, and a copy of the caller's mounts that belongs to it. Afterwards nothing of this
// process is fit for use but execve: procfs still knows it as the user's program.
Result<void> enter_new_container(const oci::Spec& spec);
// That of a process, for exec.
Result<void> enter_container(FdRef pidfd);

// What is left to make in there.
oci::Spec without_user_namespace(oci::Spec spec);

}  // namespace slipway::runtime
