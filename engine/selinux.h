// SELinux labels of pods and containers: the policy's own for containers, a level that no other pod has, and what was asked for instead.
//
// Pure functions on values but for the two that read the host. Without SELinux, or with a policy that names no labels for containers
// (selinux_lxc_contexts_path(3)), the policy is empty and so are all labels. See ADR 25.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"

namespace slipway::engine {

// user:role:type:level; the level may hold further colons.
struct SelinuxContext {
  std::string user, role, type, level;

  std::string str() const;
};
Result<SelinuxContext> parse_selinux_context(const std::string& text);

struct SelinuxPolicy {
  std::string root;        // as given to probe_selinux
  bool enabled = false;    // the host has SELinux and a policy is loaded
  std::string process;     // of containers: "system_u:system_r:container_t:s0"; empty = the policy names none
  std::string file;        // of what they write
  std::string privileged;  // of privileged containers; empty = the policy has no such label, they run as it has them run

  bool labels() const { return !process.empty(); }
};

// `root` is "" but in tests: /etc/selinux/config, /etc/selinux/TYPE/contexts/lxc_contexts, /sys/fs/selinux beneath it.
Result<SelinuxPolicy> probe_selinux(const std::string& root);

struct SelinuxLabels {
  std::string process;  // empty: none is set
  std::string mount;
  bool unconfined = false;  // it may read and write all the host's files: none is relabelled for it
};

// A pod's level where none was asked for: two categories that are no other pod's. `random(n)` is a number below n.
// resource_exhausted when all are taken.
Result<std::string> pick_level(const std::string& base, const std::set<std::string>& taken,
                               const std::function<std::uint32_t(std::uint32_t)>& random);

// The pod's labels: what its containers get that ask for nothing. `level` is used where none was asked for.
Result<SelinuxLabels> pod_labels(const SelinuxPolicy& policy, const SecurityContext& pod, const std::string& level);

// The container's; what it does not ask for is the pod's. Where neither names a type, one that is privileged or shares the host's
// processes or IPC is not confined.
Result<SelinuxLabels> container_labels(const SelinuxPolicy& policy, const PodRecord& pod, const SecurityContext& container);

// Whether the loaded policy has such a label, asked of the kernel (selinuxfs); invalid_argument names it.
Result<void> check_labels(const SelinuxPolicy& policy, const SelinuxLabels& labels);

// "s0:c1,c2" of "a:b:c:s0:c1,c2"; empty of an empty label.
std::string level_of(const std::string& label);

}  // namespace slipway::engine
