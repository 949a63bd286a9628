// linux.seccomp as a classic BPF program of our own compiler: a range tree over syscall numbers for each architecture.
//
// Pure but for load_seccomp. Differences from libseccomp, each on purpose:
//  - a call newer than the newest that the profile names (on x86-64 at least number 334, before the common numbering) gives ENOSYS where
//    the default action is an errno: EPERM breaks newer C libraries' fallbacks;
//  - an architecture outside the profile kills the process, not the thread;
//  - arguments that the kernel reads as 32-bit numbers are compared as such (ioctl's request, socket's domain, …): a high half that the
//    caller fills does not lead past a rule;
//  - of several conditional rules of one call that match, the first in the profile decides.
// Architectures that this machine's kernel can never report (SCMP_ARCH_AARCH64 on x86-64) are left out.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/spec.h"

namespace slipway::runtime {

// Names that no x86 kernel knows are skipped, as a profile for several architectures or newer kernels needs; they are put into
// `unknown_names` if given. Errors name the field: "linux.seccomp.syscalls[3].args[0].op: 'SCMP_CMP_FOO' is not known".
Result<std::vector<sock_filter>> compile_seccomp(const oci::Seccomp& profile, std::vector<std::string>* unknown_names = nullptr);

// Some call waits for the answer of an agent at listenerPath.
bool has_listener(const oci::Seccomp& profile);

// SECCOMP_FILTER_FLAG_* for seccomp(2), NEW_LISTENER where the profile notifies.
Result<unsigned> seccomp_flags(const oci::Seccomp& profile);

// seccomp(SECCOMP_SET_MODE_FILTER) for the calling thread; needs no_new_privs or CAP_SYS_ADMIN.
Result<void> load_seccomp(std::span<const sock_filter> program, unsigned flags);

enum class SeccompArch { x86_64, x86, x32 };
// As seccomp_data.nr has it: x32 with its bit. nullopt: not a call of that architecture.
std::optional<std::uint32_t> syscall_number(SeccompArch arch, std::string_view name);

}  // namespace slipway::runtime
