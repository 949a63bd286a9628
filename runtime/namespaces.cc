// linux.namespaces as decisions and descriptors.
#include "runtime/namespaces.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/vfs.h>

#include "runtime/host_root.h"
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

// Joined in this order: the mount namespace last, since paths and privileges of the others end with it. User and time have their own.
constexpr Kind kKinds[] = {
    {oci::NamespaceType::pid, CLONE_NEWPID, "pid"},         {oci::NamespaceType::cgroup, CLONE_NEWCGROUP, "cgroup"},
    {oci::NamespaceType::ipc, CLONE_NEWIPC, "ipc"},         {oci::NamespaceType::uts, CLONE_NEWUTS, "uts"},
    {oci::NamespaceType::network, CLONE_NEWNET, "network"}, {oci::NamespaceType::time, CLONE_NEWTIME, "time"},
    {oci::NamespaceType::mount, CLONE_NEWNS, "mount"},
};

Result<void> join(const Kind& kind, const std::string& path, LaunchPlan& plan) {
  auto fd = sys::open_namespace(path, kind.flag);
  if (!fd.ok()) return std::move(fd).error().within("linux.namespaces '{}'", kind.name);
  const init::Join joined{plan.own(std::move(fd).take()), kind.flag};
  if (kind.type == oci::NamespaceType::pid) {
    plan.init.pid = joined;
    return {};
  }
  plan.joins.push_back(joined);
  plan.join_names.push_back(fmt::format("{} '{}'", kind.name, path));
  return {};
}

void plan_time(const oci::Spec& spec, LaunchPlan& plan) {
  plan.init.new_time_namespace = true;
  std::string lines;
  for (const auto& [clock, offset] : spec.linux_.time_offsets) lines += fmt::format("{} {} {}\n", clock, offset.secs, offset.nanosecs);
  if (!lines.empty()) plan.init.time_offsets = plan.keep(std::move(lines));
}

// Who is born into a user namespace is safe from its processes until exec: their capabilities are of that namespace, and what it executes
// is still the host's program, undumpable. Only a PID namespace of the host's users wants it late.
init::Birth plan_birth(const init::InitPlan& plan) {
  if (plan.user_namespace >= 0) return init::Birth::early;
  if (plan.pid.fd >= 0) return init::Birth::late;
  return plan.new_time_namespace ? init::Birth::early : init::Birth::none;
}

}  // namespace

Result<std::uint64_t> plan_namespaces(const oci::Spec& spec, const NamespaceRequest& request, LaunchPlan& plan) {
  TRY_ASSIGN(plan.init.root.host_mounts, keeps_our_mounts(spec));
  if (plan.init.root.host_mounts && request.user != nullptr)
    return fail(Code::invalid_argument, "linux.namespaces: a user namespace without a mount namespace may not mount anything");
  std::uint64_t made = 0;
  for (const Kind& kind : kKinds) {
    const oci::Namespace* ns = find_namespace(spec, kind.type);
    if (ns == nullptr || (kind.type == oci::NamespaceType::mount && plan.init.root.host_mounts)) continue;
    if (kind.type == oci::NamespaceType::pid && request.pid >= 0) {
      plan.borrow(request.pid);
      plan.init.pid = {request.pid, CLONE_NEWPID};
    } else if (!ns->path.empty()) {
      TRY(join(kind, ns->path, plan));
    } else if (kind.type == oci::NamespaceType::cgroup) {
      plan.init.new_cgroup_namespace = true;
    } else if (kind.type == oci::NamespaceType::time) {
      plan_time(spec, plan);
    } else {
      made |= static_cast<std::uint64_t>(kind.flag);
      plan.init.raise_loopback = plan.init.raise_loopback || kind.type == oci::NamespaceType::network;
    }
  }
  if (request.user != nullptr) {
    plan.init.user_namespace = request.user->fd().get();
    plan.borrow(plan.init.user_namespace);
  }
  plan.init.birth = plan_birth(plan.init);
  if (plan.init.birth != init::Birth::early) return made;
  plan.init.birth_namespaces = made;
  return std::uint64_t{0};
}

Result<int> open_proc(LaunchPlan& plan) {
  TRY_ASSIGN(UniqueFd fd, sys::open_path("/proc", O_PATH | O_DIRECTORY));
  struct statfs fs = {};
  if (::fstatfs(fd.get(), &fs) != 0) return fail_errno(errno, "statfs /proc");
  if (fs.f_type != PROC_SUPER_MAGIC) return fail(Code::failed_precondition, "/proc is no proc file system");
  return plan.own(std::move(fd));
}

}  // namespace slipway::runtime
