// linux.namespaces as decisions and descriptors.
#include "runtime/namespaces.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/vfs.h>

#include "runtime/mount_plan.h"
#include "sys/file.h"
#include "sys/namespace.h"

namespace slipway::runtime {
namespace {

struct Kind {
  oci::NamespaceType type;
  int flag;
  const char* name;
};

// Joined in this order: the mount namespace last, since paths and privileges of the others end with it.
constexpr Kind kKinds[] = {
    {oci::NamespaceType::pid, CLONE_NEWPID, "pid"},         {oci::NamespaceType::cgroup, CLONE_NEWCGROUP, "cgroup"},
    {oci::NamespaceType::ipc, CLONE_NEWIPC, "ipc"},         {oci::NamespaceType::uts, CLONE_NEWUTS, "uts"},
    {oci::NamespaceType::network, CLONE_NEWNET, "network"}, {oci::NamespaceType::mount, CLONE_NEWNS, "mount"},
};

Result<void> join(const Kind& kind, const std::string& path, NamespacePlan& out, LaunchPlan& plan) {
  auto fd = sys::open_namespace(path, kind.flag);
  if (!fd.ok()) return std::move(fd).error().within("linux.namespaces '{}'", kind.name);
  if (kind.type == oci::NamespaceType::pid) {
    out.pid = std::move(fd).take();
    return {};
  }
  plan.joins.push_back({plan.own(std::move(fd).take()), kind.flag});
  plan.join_names.push_back(fmt::format("{} '{}'", kind.name, path));
  return {};
}

}  // namespace

Result<void> plan_namespaces(const oci::Spec& spec, NamespacePlan& out, LaunchPlan& plan) {
  if (find_namespace(spec, oci::NamespaceType::user) != nullptr || !spec.linux_.uid_mappings.empty() || !spec.linux_.gid_mappings.empty())
    return fail(Code::unimplemented, "linux.namespaces: a user namespace is not supported");
  if (find_namespace(spec, oci::NamespaceType::time) != nullptr)
    return fail(Code::unimplemented, "linux.namespaces: a time namespace is not supported");
  if (find_namespace(spec, oci::NamespaceType::mount) == nullptr)
    return fail(Code::invalid_argument, "linux.namespaces: a mount namespace is needed, or the host's own mounts would change");
  for (const Kind& kind : kKinds) {
    const oci::Namespace* ns = find_namespace(spec, kind.type);
    if (ns == nullptr) continue;
    if (!ns->path.empty()) {
      TRY(join(kind, ns->path, out, plan));
    } else if (kind.type == oci::NamespaceType::cgroup) {
      plan.init.new_cgroup_namespace = true;
    } else {
      out.new_with_process |= static_cast<std::uint64_t>(kind.flag);
    }
  }
  return {};
}

Result<int> open_proc(LaunchPlan& plan) {
  TRY_ASSIGN(UniqueFd fd, sys::open_path("/proc", O_PATH | O_DIRECTORY));
  struct statfs fs = {};
  if (::fstatfs(fd.get(), &fs) != 0) return fail_errno(errno, "statfs /proc");
  if (fs.f_type != PROC_SUPER_MAGIC) return fail(Code::failed_precondition, "/proc is no proc file system");
  return plan.own(std::move(fd));
}

}  // namespace slipway::runtime
