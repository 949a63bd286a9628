// Mounts as decisions.
#include "runtime/mount_plan.h"

#include <sys/mount.h>

#include <algorithm>

#include "base/weaken.h"
#include "runtime/paths.h"

namespace slipway::runtime {
namespace {

// Files in /proc that may be covered by a bind, as lxcfs does; nothing else may lie over the kernel's own.
constexpr std::string_view kCoverableProc[] = {
    "proc/cpuinfo",
    "proc/diskstats",
    "proc/meminfo",
    "proc/stat",
    "proc/swaps",
    "proc/uptime",
    "proc/loadavg",
    "proc/slabinfo",
    "proc/net/dev",
    "proc/sys/kernel/ns_last_pid",
    "proc/sys/crypto/fips_enabled",
};

bool made_by_init(std::string_view type) {
  return type == "proc" || type == "sysfs" || type == "mqueue" || type == "cgroup2" || type == "devpts";
}

Result<void> check_target(const oci::Mount& mount, PlannedMount& planned) {
  if (mount.destination.empty() || planned.target.empty())
    return fail(Code::invalid_argument, "destination '{}': the root itself is no mount point", mount.destination);
  const bool in_proc = is_at_or_beneath(planned.target, "proc");
  if (planned.target == "proc" && planned.maker == Maker::bind) planned.must_be_procfs = true;
  if (planned.target == "proc" && planned.maker != Maker::bind && planned.type != "proc")
    return fail(Code::invalid_argument, "destination '/proc': only a proc file system may be mounted there, not '{}'", mount.type);
  const bool coverable = std::ranges::find(kCoverableProc, planned.target) != std::end(kCoverableProc);
  if (in_proc && planned.target != "proc" && !coverable && planned.maker != Maker::init) {
    // A volume over a part of /proc would hide or forge what masks and label writes rely on (CVE-2019-16884, CVE-2025-52881).
    if (planned.maker != Maker::bind) return fail(Code::invalid_argument, "destination '{}' is inside /proc", mount.destination);
    planned.must_be_procfs = true;
  }
  if (weakened(Defence::proc_mounts)) planned.must_be_procfs = false;
  if (weakened(Defence::real_proc)) return {};
  planned.real_target = in_proc || planned.target == "sys" || planned.type == "proc" || planned.type == "sysfs";
  return {};
}

Result<PlannedMount> plan_one(const oci::Spec& spec, const oci::Mount& mount, const std::string& bundle) {
  PlannedMount planned;
  planned.target = clean_in_root(mount.destination);
  TRY_ASSIGN(planned.options, parse_mount_options(mount.options));
  planned.type = mount.type == "cgroup" ? "cgroup2" : mount.type;
  planned.ids = {mount.uid_mappings, mount.gid_mappings};
  planned.map_ids = planned.options.map_ids || !planned.ids.empty();
  if (planned.options.remount) {
    planned.maker = Maker::remount;
  } else if (planned.options.bind || mount.type == "bind" || mount.type == "rbind") {
    planned.maker = Maker::bind;
    if (mount.type == "rbind") planned.options.recursive_bind = true;
    planned.source = mount.source.starts_with('/') ? mount.source : bundle + "/" + mount.source;
    if (mount.source.empty()) return fail(Code::invalid_argument, "source: a bind needs one");
  } else if (planned.type.empty() || planned.type == "none") {
    return fail(Code::invalid_argument, "type: missing");
  } else if (planned.type == "cgroup2" && find_namespace(spec, oci::NamespaceType::cgroup) == nullptr) {
    // Mounting it anew from the host's cgroup namespace would change the host's own mount options (nsdelegate).
    planned.maker = Maker::cgroup_bind;
  } else {
    // Of a user namespace's own file systems only a tmpfs is the host's to make: it holds devices, and its ids can be told to it.
    const bool own_users = find_namespace(spec, oci::NamespaceType::user) != nullptr;
    planned.maker = made_by_init(planned.type) || (own_users && planned.type != "tmpfs") ? Maker::init : Maker::filesystem;
    planned.source = mount.source;
  }
  if (planned.options.copy_symlink && planned.maker != Maker::bind)
    return fail(Code::invalid_argument, "'copy-symlink': only the source of a bind can be a link");
  if (planned.map_ids && planned.maker != Maker::bind)
    return fail(Code::invalid_argument, "uidMappings, 'idmap': only a bind can be mapped");
  if (planned.map_ids && planned.ids.empty() && find_namespace(spec, oci::NamespaceType::user) == nullptr)
    return fail(Code::invalid_argument,
                "'idmap': there are neither uidMappings nor a user namespace to take them from (an ordinary user's, which is entered "
                "before, is none)");
  if (planned.options.copy_up && (planned.maker != Maker::filesystem || planned.type != "tmpfs"))
    return fail(Code::invalid_argument, "'tmpcopyup': only into a tmpfs anything can be copied");
  TRY(check_target(mount, planned));
  return planned;
}

// Other mounts' targets in a tmpfs are made before it becomes read-only.
void defer_readonly(PlannedMount& planned) {
  if (planned.maker != Maker::filesystem || planned.type != "tmpfs") return;
  planned.readonly_last = (planned.options.attributes.set & MOUNT_ATTR_RDONLY) != 0;
  planned.options.attributes.set &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
}

// What waits to become read-only hears a later "remount,rw".
void undo_readonly(const PlannedMount& remount, std::vector<PlannedMount>& mounts) {
  if (((remount.options.attributes.clear | remount.options.recursive.clear) & MOUNT_ATTR_RDONLY) == 0) return;
  for (PlannedMount& mount : mounts)
    if (mount.target == remount.target) mount.readonly_last = false;
}

}  // namespace

const oci::Namespace* find_namespace(const oci::Spec& spec, oci::NamespaceType type) {
  for (const oci::Namespace& ns : spec.linux_.namespaces) {
    if (ns.type == type) return &ns;
  }
  return nullptr;
}

bool has_new_namespace(const oci::Spec& spec, oci::NamespaceType type) {
  const oci::Namespace* ns = find_namespace(spec, type);
  return ns != nullptr && ns->path.empty();
}

Result<MountPlan> plan_mounts(const oci::Spec& spec, const std::string& bundle) {
  MountPlan plan;
  for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
    auto planned = plan_one(spec, spec.mounts[i], bundle);
    if (!planned.ok()) return std::move(planned).error().within("mounts[{}]", i);
    PlannedMount mount = std::move(planned).take();
    defer_readonly(mount);
    if (mount.maker == Maker::remount) undo_readonly(mount, plan.mounts);
    if (mount.target == "dev" && mount.maker != Maker::remount) {
      plan.dev_is_mounted = true;
      plan.dev_is_bound = mount.maker == Maker::bind;
      mount.is_dev = mount.type == "tmpfs" && mount.maker == Maker::filesystem;
    }
    plan.mounts.push_back(std::move(mount));
  }
  return plan;
}

}  // namespace slipway::runtime
