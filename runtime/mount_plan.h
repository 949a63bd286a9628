// Which mounts a container gets, from where, in which order: config.json's mounts as decisions.
//
// Pure: no path is looked up here. What takes its namespace from its maker (proc, sysfs, mqueue, cgroup2, devpts) is left to init;
// everything else is made detached by the runner, so that init has little to do and nothing of the host's is open in it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "oci/spec.h"
#include "runtime/mount_options.h"
#include "runtime/user_namespace.h"

namespace slipway::runtime {

enum class Maker {
  bind,         // clone_tree of `source` by the runner
  filesystem,   // made by the runner
  init,         // made by init
  remount,      // nothing: what is mounted there gets other options
  cgroup_bind,  // the host's cgroup2 tree, where the container has no cgroup namespace of its own
};

struct PlannedMount {
  Maker maker = Maker::filesystem;
  std::string type;
  std::string source;  // of a bind: absolute
  std::string target;  // clean, in the root
  MountOptions options;
  IdMaps ids;  // of an id-mapped bind; empty: the container's own
  bool map_ids = false;
  bool real_target = false;     // no symbolic link on the way: /proc and /sys
  bool must_be_procfs = false;  // a bind over /proc or in it
  bool is_dev = false;          // the tmpfs that gets the default devices
  bool readonly_last = false;
};

struct MountPlan {
  std::vector<PlannedMount> mounts;
  bool dev_is_bound = false;    // /dev comes from elsewhere: no devices are made in it
  bool dev_is_mounted = false;  // by a tmpfs or a bind
};

Result<MountPlan> plan_mounts(const oci::Spec& spec, const std::string& bundle);

bool has_new_namespace(const oci::Spec& spec, oci::NamespaceType type);
const oci::Namespace* find_namespace(const oci::Spec& spec, oci::NamespaceType type);

}  // namespace slipway::runtime
