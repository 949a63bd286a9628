// A CRI container configuration as an OCI spec: puts the parts together, namespaces and seccomp among them.
#include "engine/spec/builder.h"

#include <algorithm>

#include "base/weaken.h"
#include "oci/parse.h"
#include "oci/seccomp_default.h"

namespace slipway::engine {
namespace {

constexpr const char* kOciVersion = "1.2.0";

// containers/runtimes that run in a VM read these (Kata); nothing of the pod's own annotations goes further (attack 36).
std::map<std::string, std::string> plan_annotations(const SpecInputs& in) {
  const PodMetadata& pod = in.pod->spec.metadata;
  if (weakened(Defence::annotations)) return in.pod->spec.annotations;
  return {
      {"io.kubernetes.cri.container-type", "container"},
      {"io.kubernetes.cri.container-name", in.container->metadata.name},
      {"io.kubernetes.cri.image-name",
       in.container->user_specified_image.empty() ? in.container->image : in.container->user_specified_image},
      {"io.kubernetes.cri.sandbox-id", in.pod->id},
      {"io.kubernetes.cri.sandbox-name", pod.name},
      {"io.kubernetes.cri.sandbox-namespace", pod.namespace_},
      {"io.kubernetes.cri.sandbox-uid", pod.uid},
  };
}

Result<std::optional<oci::Seccomp>> plan_seccomp(const SpecInputs& in, const oci::Capabilities& capabilities) {
  const SecurityContext& security = in.container->security;
  if (security.privileged) return std::optional<oci::Seccomp>{};
  switch (security.seccomp.type) {
    case ProfileType::implied:
    case ProfileType::unconfined: return std::optional<oci::Seccomp>{};
    case ProfileType::runtime_default: {
      TRY_ASSIGN(oci::Seccomp profile, oci::default_profile(capabilities.bounding));
      return std::optional<oci::Seccomp>(std::move(profile));
    }
    case ProfileType::localhost: {
      if (!in.localhost_profile) return fail(Code::internal, "seccomp profile '{}' was not read", security.seccomp.localhost_ref);
      auto profile = oci::parse_seccomp_profile(*in.localhost_profile, {.capabilities = capabilities.bounding, .kernel = in.host->kernel});
      if (!profile.ok()) return std::move(profile).error().within("seccomp profile '{}'", security.seccomp.localhost_ref);
      return std::optional<oci::Seccomp>(std::move(profile).take());
    }
  }
  return std::optional<oci::Seccomp>{};
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

}  // namespace

bool pod_users(const SpecInputs& in) {
  return in.pod->spec.security.namespaces.userns;
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
  const SecurityContext& security = in.container->security;
  if (!in.container->cdi_devices.empty())
    return fail(Code::unimplemented, "CDI device '{}': slipway does not resolve CDI names", in.container->cdi_devices.front());
  if (security.privileged && !in.pod->spec.security.privileged)
    return fail(Code::invalid_argument, "security_context.privileged: true, but a privileged container needs a privileged pod");

  oci::Spec spec;
  spec.oci_version = kOciVersion;
  TRY_ASSIGN(spec.process, plan_process(in));
  spec.root = oci::Root{"rootfs", security.readonly_rootfs};
  TRY_ASSIGN(spec.mounts, plan_mounts(in));
  spec.annotations = plan_annotations(in);

  oci::Linux& kernel = spec.linux_;
  TRY_ASSIGN(kernel.namespaces, plan_namespaces(in));
  TRY_ASSIGN(kernel.resources, plan_resources(in.container->resources, *in.host));
  kernel.resources->devices = plan_device_rules(in);
  if (pod_users(in)) {
    kernel.uid_mappings = in.pod->spec.security.namespaces.uid_mappings;
    kernel.gid_mappings = in.pod->spec.security.namespaces.gid_mappings;
  }
  kernel.cgroups_path = in.cgroup;
  kernel.rootfs_propagation = plan_propagation(in.mounts);
  TRY_ASSIGN(kernel.seccomp, plan_seccomp(in, *spec.process->capabilities));
  // The nodes would belong to the pod's root, who is nobody on the host.
  if (security.privileged && !pod_users(in)) kernel.devices = in.host_devices;
  for (const ResolvedDevice& device : in.devices) {
    const auto same = [&](const oci::Device& d) { return d.path == device.device.path; };
    if (std::none_of(kernel.devices.begin(), kernel.devices.end(), same)) kernel.devices.push_back(device.device);
  }
  if (!security.privileged) {
    kernel.masked_paths = security.masked_paths;
    kernel.readonly_paths = security.readonly_paths;
  }
  return spec;
}

}  // namespace slipway::engine
