// A CRI container configuration as an OCI spec: puts the parts together, namespaces and seccomp among them.
#include "engine/spec/builder.h"

#include <algorithm>

#include "base/weaken.h"
#include "engine/runtime_handlers.h"
#include "oci/parse.h"
#include "oci/seccomp_default.h"

namespace slipway::engine {
namespace {

constexpr const char* kOciVersion = "1.2.0";
// crun up to 1.8.1 takes no other; nothing of a container's needs more.
constexpr const char* kForeignOciVersion = "1.0.2";

// The more special first: what is there is not replaced.
void add_handlers_annotations(const SpecInputs& in, std::map<std::string, std::string>& planned) {
  if (in.runtime == nullptr) return;
  const auto add = [&](const Annotations& from, const std::vector<std::string>& names) {
    for (const auto& [name, value] : from)
      if (lets_through(names, name)) planned.emplace(name, value);
  };
  add(in.container->annotations, in.runtime->container_annotations);
  add(in.pod->spec.annotations, in.runtime->pod_annotations);
  for (const auto& [name, value] : in.runtime->default_annotations) planned.emplace(name, value);
  // crun would put the container into a cgroup beneath its scope, and the limits there: who has hit its own would be told wrong.
  if (!in.runtime->own() && in.runtime->systemd()) planned.emplace("run.oci.systemd.subgroup", "");
}

// containers/runtimes that run in a VM read these (Kata); nothing of the pod's own annotations goes further (attack 36).
std::map<std::string, std::string> plan_annotations(const SpecInputs& in) {
  const PodMetadata& pod = in.pod->spec.metadata;
  if (weakened(Defence::annotations)) return in.pod->spec.annotations;
  std::map<std::string, std::string> planned = {
      {"io.kubernetes.cri.container-type", "container"},
      {"io.kubernetes.cri.container-name", in.container->metadata.name},
      {"io.kubernetes.cri.image-name", written_image(*in.container)},
      {"io.kubernetes.cri.sandbox-id", in.pod->id},
      {"io.kubernetes.cri.sandbox-name", pod.name},
      {"io.kubernetes.cri.sandbox-namespace", pod.namespace_},
      {"io.kubernetes.cri.sandbox-uid", pod.uid},
  };
  add_handlers_annotations(in, planned);
  return planned;
}

Result<void> plan_seccomp(const SpecInputs& in, PlannedSpec& planned) {
  const SecurityContext& security = in.container->security;
  const std::vector<std::string>& capabilities = planned.spec.process->capabilities->bounding;
  if (security.privileged) return {};
  switch (security.seccomp.type) {
    case ProfileType::implied:
    case ProfileType::unconfined: return {};
    case ProfileType::runtime_default: {
      TRY_ASSIGN(planned.profile, oci::default_profile_text(capabilities));
      return {};
    }
    case ProfileType::localhost: {
      if (!in.localhost_profile) return fail(Code::internal, "seccomp profile '{}' was not read", security.seccomp.localhost_ref);
      auto profile = oci::parse_seccomp_profile(*in.localhost_profile, {.capabilities = capabilities, .kernel = in.host->kernel});
      if (!profile.ok()) return std::move(profile).error().within("seccomp profile '{}'", security.seccomp.localhost_ref);
      planned.spec.linux_.seccomp = std::move(profile).take();
      return {};
    }
  }
  return {};
}

// The container's root must let propagation through where a mount of it wants it (mount_namespaces(7)).
std::string plan_propagation(const std::vector<ResolvedMount>& mounts) {
  std::string widest;
  for (const ResolvedMount& mount : mounts) {
    if (mount.request.propagation == Propagation::bidirectional) return "rshared";
    if (mount.request.propagation == Propagation::host_to_container) widest = "rslave";
  }
  return widest;
}

// What CDI names stands in place of what was there; who runs as somebody else than root is to be able to use it.
void add_cdi_devices(const SpecInputs& in, std::vector<oci::Device>& planned) {
  for (const ResolvedDevice& device : in.cdi.devices) {
    std::erase_if(planned, [&](const oci::Device& d) { return d.path == device.device.path; });
    planned.push_back(device.device);
    if (!planned.back().uid && in.user.uid > 0) planned.back().uid = in.user.uid;
    if (!planned.back().gid && in.user.gid > 0) planned.back().gid = in.user.gid;
  }
}

Result<std::optional<oci::Hooks>> plan_hooks(const SpecInputs& in, bool own) {
  const oci::Hooks& hooks = in.cdi.hooks;
  const bool later = !hooks.start_container.empty() || !hooks.poststart.empty() || !hooks.poststop.empty();
  if (own && later)
    return fail(Code::unimplemented, "CDI device '{}': of hooks slipway runs prestart, createRuntime and createContainer in pods",
                in.container->cdi_devices.front());
  if (!later && hooks.prestart.empty() && hooks.create_runtime.empty() && hooks.create_container.empty())
    return std::optional<oci::Hooks>{};
  return std::optional<oci::Hooks>(hooks);
}

Result<void> check_mapped(const std::vector<oci::IdMapping>& mappings, std::uint32_t id, const char* what) {
  const bool mapped = std::any_of(mappings.begin(), mappings.end(),
                                  [&](const oci::IdMapping& m) { return id >= m.container_id && id - m.container_id < m.size; });
  if (mapped) return {};
  return fail(Code::invalid_argument, "{} {} is not mapped in the pod's user namespace", what, id);
}

Result<void> check_user_mapped(const ResolvedUser& user, const NamespaceOptions& pod) {
  TRY(check_mapped(pod.uid_mappings, user.uid, "user"));
  TRY(check_mapped(pod.gid_mappings, user.gid, "group"));
  for (const std::uint32_t gid : user.additional_gids) TRY(check_mapped(pod.gid_mappings, gid, "group"));
  return {};
}

}  // namespace

bool all_devices(const SpecInputs& in) {
  const bool without = in.runtime != nullptr && in.runtime->privileged_without_host_devices;
  return in.container->security.privileged && !without && !pod_users(in);  // the nodes would belong to a root who is nobody on the host
}

bool pod_users(const SpecInputs& in) {
  return in.pod->spec.security.namespaces.userns;
}

LinuxResources asked_resources(const SpecInputs& in) {
  LinuxResources asked = in.container->resources;
  for (const auto& [file, value] : in.wishes.unified) asked.unified[file] = value;
  return asked;
}

Result<std::vector<oci::Namespace>> plan_namespaces(const SpecInputs& in) {
  const NamespaceOptions& pod = in.pod->spec.security.namespaces;
  const NamespaceOptions& own = in.container->security.namespaces;
  if (own.userns && !pod.userns) return fail(Code::invalid_argument, "userns_options: the pod has no user namespace of its own");
  if (own.pid == NamespaceMode::pod && pod.pid != NamespaceMode::pod && in.namespaces.pid.empty())
    return fail(Code::invalid_argument, "namespace_options.pid: POD, but the pod's is {}: it has no PID namespace to share",
                pod.pid == NamespaceMode::node ? "NODE" : "CONTAINER");
  using Type = oci::NamespaceType;
  std::vector<oci::Namespace> namespaces = {{Type::mount, ""}, {Type::cgroup, ""}};
  const auto join = [&](Type type, const std::string& path, const char* what) -> Result<void> {
    if (path.empty()) return fail(Code::internal, "the pod's {} namespace is not known", what);
    namespaces.push_back({type, path});
    return {};
  };
  if (pod.userns) TRY(join(Type::user, in.namespaces.user, "user"));
  if (pod.network != NamespaceMode::node) {
    TRY(join(Type::network, in.namespaces.network, "network"));
    TRY(join(Type::uts, in.namespaces.uts, "UTS"));
  }
  if (pod.ipc != NamespaceMode::node) TRY(join(Type::ipc, in.namespaces.ipc, "IPC"));
  switch (own.pid) {
    case NamespaceMode::container: namespaces.push_back({Type::pid, ""}); break;
    case NamespaceMode::node: break;
    case NamespaceMode::pod: TRY(join(Type::pid, in.namespaces.pid, "PID")); break;
    case NamespaceMode::target: TRY(join(Type::pid, in.target_pid_ns, "target's PID")); break;
  }
  return namespaces;
}

Result<oci::Spec> build_spec(const SpecInputs& in) {
  TRY_ASSIGN(PlannedSpec planned, plan_spec(in));
  if (planned.profile) {
    TRY_ASSIGN(planned.spec.linux_.seccomp, oci::default_profile(planned.spec.process->capabilities->bounding));
  }
  return std::move(planned.spec);
}

Result<PlannedSpec> plan_spec(const SpecInputs& in) {
  const SecurityContext& security = in.container->security;
  if (security.privileged && !in.pod->spec.security.privileged)
    return fail(Code::invalid_argument, "security_context.privileged: true, but a privileged container needs a privileged pod");

  PlannedSpec planned;
  oci::Spec& spec = planned.spec;
  const bool own = in.runtime == nullptr || in.runtime->own();
  spec.oci_version = own ? kOciVersion : kForeignOciVersion;
  TRY_ASSIGN(spec.process, plan_process(in));
  spec.root = oci::Root{"rootfs", security.readonly_rootfs};
  TRY_ASSIGN(spec.mounts, plan_mounts(in));
  spec.annotations = plan_annotations(in);

  oci::Linux& kernel = spec.linux_;
  TRY_ASSIGN(kernel.namespaces, plan_namespaces(in));
  TRY_ASSIGN(kernel.resources, plan_resources(asked_resources(in), *in.host));
  kernel.resources->devices = plan_device_rules(in);
  if (pod_users(in)) {
    TRY(check_user_mapped(in.user, in.pod->spec.security.namespaces));
    kernel.uid_mappings = in.pod->spec.security.namespaces.uid_mappings;
    kernel.gid_mappings = in.pod->spec.security.namespaces.gid_mappings;
  }
  kernel.cgroups_path = own ? in.cgroup : foreign_cgroups_path(in.cgroup);
  kernel.mount_label = in.labels.mount;
  kernel.rootfs_propagation = plan_propagation(in.mounts);
  TRY(plan_seccomp(in, planned));
  if (all_devices(in)) kernel.devices = in.host_devices;
  for (const ResolvedDevice& device : in.devices) {
    const auto same = [&](const oci::Device& d) { return d.path == device.device.path; };
    if (std::none_of(kernel.devices.begin(), kernel.devices.end(), same)) kernel.devices.push_back(device.device);
  }
  add_cdi_devices(in, kernel.devices);
  TRY_ASSIGN(spec.hooks, plan_hooks(in, own));
  if (!security.privileged) {
    kernel.masked_paths = security.masked_paths;
    kernel.readonly_paths = security.readonly_paths;
  }
  return planned;
}

}  // namespace slipway::engine
