// Device rules as a BPF_PROG_TYPE_CGROUP_DEVICE program of our own making.
//
// cgroup v2 has no devices files: the kernel asks the attached programs of the cgroup and of all above it, and every one must say yes.
#pragma once

#include <linux/bpf.h>

#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"

namespace slipway::cgroups {

// What every container may use (config-linux.md, "Default Devices", and mknod of anything): appended to a spec's own rules.
const std::vector<oci::DeviceRule>& default_device_rules();

// A spec's rules with the defaults after them: deny all, the spec's rules in their order, the defaults.
std::vector<oci::DeviceRule> with_defaults(std::span<const oci::DeviceRule> rules);

// The last matching rule decides, for each of r, w and m on its own; without one: no.
Result<std::vector<bpf_insn>> compile_device_filter(std::span<const oci::DeviceRule> rules);

// bpf(2) BPF_PROG_LOAD; the verifier's log is in the error.
Result<UniqueFd> load_device_filter(std::span<const bpf_insn> program);

// Attaches with BPF_F_ALLOW_MULTI; one program already on this cgroup is replaced atomically, several are detached after.
Result<void> attach_device_filter(FdRef cgroup, FdRef program);

// compile, load, attach. `fresh`: the cgroup was made just now and has no filter to be replaced.
Result<void> apply_devices(FdRef cgroup, std::span<const oci::DeviceRule> rules, bool fresh = false);

}  // namespace slipway::cgroups
