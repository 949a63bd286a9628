// Security contexts, namespaces, id mappings, resources: what pods and containers have in common.
#include "cri/from_proto.h"

namespace slipway::cri {
namespace {

Result<engine::NamespaceMode> mode_of(std::string_view field, v1::NamespaceMode mode) {
  switch (mode) {
    case v1::POD: return engine::NamespaceMode::pod;
    case v1::CONTAINER: return engine::NamespaceMode::container;
    case v1::NODE: return engine::NamespaceMode::node;
    case v1::TARGET: return engine::NamespaceMode::target;
    default: return fail(Code::invalid_argument, "{}: {} is no namespace mode", field, static_cast<int>(mode));
  }
}

Result<engine::NamespaceMode> pod_or_node(std::string_view field, v1::NamespaceMode mode) {
  if (mode == v1::CONTAINER || mode == v1::TARGET)
    return fail(Code::invalid_argument, "{}: {} is neither POD nor NODE", field, v1::NamespaceMode_Name(mode));
  return mode_of(field, mode);
}

// An absent message means POD for each: zero values are CRI's defaults.
Result<engine::NamespaceOptions> namespaces_of(const v1::NamespaceOption& option) {
  engine::NamespaceOptions out;
  TRY_ASSIGN(out.network, pod_or_node("namespace_options.network", option.network()));
  TRY_ASSIGN(out.pid, mode_of("namespace_options.pid", option.pid()));
  TRY_ASSIGN(out.ipc, pod_or_node("namespace_options.ipc", option.ipc()));
  using engine::NamespaceMode;
  out.target_id = option.target_id();
  if (out.pid == NamespaceMode::target && out.target_id.empty())
    return fail(Code::invalid_argument, "namespace_options.target_id: empty, but namespace_options.pid is TARGET");
  if (!option.has_userns_options()) return out;
  const auto& userns = option.userns_options();
  TRY_ASSIGN(const NamespaceMode mode, pod_or_node("userns_options.mode", userns.mode()));
  out.userns = mode == NamespaceMode::pod;
  TRY_ASSIGN(out.uid_mappings, from_proto(userns.uids()));
  TRY_ASSIGN(out.gid_mappings, from_proto(userns.gids()));
  if (out.userns && (out.uid_mappings.empty() || out.gid_mappings.empty()))
    return fail(Code::invalid_argument, "userns_options: mode POD needs mappings of both uids and gids");
  return out;
}

Result<engine::SecurityProfile> profile_of(std::string_view field, const v1::SecurityProfile& profile) {
  engine::SecurityProfile out;
  switch (profile.profile_type()) {
    case v1::SecurityProfile::RuntimeDefault: out.type = engine::ProfileType::runtime_default; break;
    case v1::SecurityProfile::Unconfined: out.type = engine::ProfileType::unconfined; break;
    case v1::SecurityProfile::Localhost: out.type = engine::ProfileType::localhost; break;
    default: return fail(Code::invalid_argument, "{}.profile_type: {} is no profile type", field, static_cast<int>(profile.profile_type()));
  }
  out.localhost_ref = profile.localhost_ref();
  TRY(check_text(std::string(field) + ".localhost_ref", out.localhost_ref));
  if ((out.type == engine::ProfileType::localhost) == out.localhost_ref.empty())
    return fail(Code::invalid_argument, "{}.localhost_ref: '{}' {}", field, out.localhost_ref,
                out.localhost_ref.empty() ? "although profile_type is Localhost" : "although profile_type is not Localhost");
  return out;
}

Result<void> check_id(std::string_view field, std::int64_t id) {
  constexpr std::int64_t kLargest = 4294967294;  // 2^32 - 1 means "unchanged" to setresuid(2)
  if (id < 0 || id > kLargest) return fail(Code::invalid_argument, "{}: {} is not between 0 and {}", field, id, kLargest);
  return {};
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
template <class Context>
const std::string& old_seccomp(const Context& context) {
  return context.seccomp_profile_path();
}
const std::string& old_apparmor(const v1::LinuxContainerSecurityContext& context) {
  return context.apparmor_profile();
}
#pragma GCC diagnostic pop

// Ignoring a profile in its deprecated spelling would run the container without it.
Result<void> refuse_old_form(std::string_view field, const std::string& value, bool has_new_form) {
  if (has_new_form || value.empty()) return {};
  return fail(Code::invalid_argument, "{}: '{}' is the deprecated form; send a SecurityProfile", field, value);
}

constexpr std::string_view kLocalhost = "localhost/";

// The kubelet sends both forms, older clients the deprecated one alone.
Result<engine::SecurityProfile> apparmor_of(const v1::LinuxContainerSecurityContext& context) {
  engine::SecurityProfile out;
  if (context.has_apparmor()) {
    TRY_ASSIGN(out, profile_of("apparmor", context.apparmor()));
    // A profile's name has no such beginning; clients of the deprecated form keep it.
    if (out.localhost_ref.starts_with(kLocalhost) && out.localhost_ref.size() > kLocalhost.size())
      out.localhost_ref.erase(0, kLocalhost.size());
    return out;
  }
  const std::string& old = old_apparmor(context);
  TRY(check_text("apparmor_profile", old));
  if (old.empty()) {
    out.type = engine::ProfileType::implied;
  } else if (old == "runtime/default") {
    out.type = engine::ProfileType::runtime_default;
  } else if (old.starts_with(kLocalhost) && old.size() > kLocalhost.size()) {
    out = {engine::ProfileType::localhost, old.substr(kLocalhost.size())};
  } else if (old != "unconfined") {
    return fail(Code::invalid_argument, "apparmor_profile: '{}' is none of runtime/default, unconfined, localhost/NAME", old);
  }
  return out;
}

// The fields that both kinds of contexts spell alike.
template <class Context>
Result<engine::SecurityContext> common_of(const Context& context) {
  engine::SecurityContext out;
  out.privileged = context.privileged();
  TRY_ASSIGN(out.namespaces, namespaces_of(context.namespace_options()));
  const auto& selinux = context.selinux_options();
  out.selinux_user = selinux.user();
  out.selinux_role = selinux.role();
  out.selinux_type = selinux.type();
  out.selinux_level = selinux.level();
  if (context.has_run_as_user()) out.run_as_user = context.run_as_user().value();
  if (context.has_run_as_group()) out.run_as_group = context.run_as_group().value();
  if (out.run_as_user) TRY(check_id("run_as_user", *out.run_as_user));
  if (out.run_as_group) TRY(check_id("run_as_group", *out.run_as_group));
  out.readonly_rootfs = context.readonly_rootfs();
  out.supplemental_groups = {context.supplemental_groups().begin(), context.supplemental_groups().end()};
  for (const auto group : out.supplemental_groups) TRY(check_id("supplemental_groups", group));
  const auto policy = context.supplemental_groups_policy();
  TRY(check_enum("supplemental_groups_policy", v1::SupplementalGroupsPolicy_IsValid(policy), policy));
  out.supplemental_groups_policy =
      policy == v1::Strict ? engine::SupplementalGroupsPolicy::strict : engine::SupplementalGroupsPolicy::merge;
  // No profile at all is CRI's old "unconfined"; the kubelet always sends one.
  if (context.has_seccomp()) {
    TRY_ASSIGN(out.seccomp, profile_of("seccomp", context.seccomp()));
  }
  TRY(refuse_old_form("seccomp_profile_path", old_seccomp(context), context.has_seccomp()));
  return out;
}

}  // namespace

Result<void> check_text(std::string_view field, std::string_view value, bool one_line) {
  for (const char c : value) {
    const auto u = static_cast<unsigned char>(c);
    if (u == 0 || (one_line && (u < 0x20 || u == 0x7f)))
      return fail(Code::invalid_argument, "{}: '{}' has the control character {:#04x}", field, value, u);
  }
  return {};
}

Result<void> check_enum(std::string_view field, bool valid, int value) {
  if (valid) return {};
  return fail(Code::invalid_argument, "{}: {} has no meaning", field, value);
}

Result<std::vector<oci::IdMapping>> from_proto(const google::protobuf::RepeatedPtrField<v1::IDMapping>& mappings) {
  std::vector<oci::IdMapping> out;
  for (const auto& mapping : mappings) {
    if (mapping.length() == 0)
      return fail(Code::invalid_argument, "id mapping {}:{}: its length is 0", mapping.container_id(), mapping.host_id());
    out.push_back({mapping.container_id(), mapping.host_id(), mapping.length()});
  }
  return out;
}

Result<engine::SecurityContext> from_proto(const v1::LinuxSandboxSecurityContext& context) {
  TRY_ASSIGN(engine::SecurityContext out, common_of(context));
  if (out.run_as_group && !out.run_as_user) return fail(Code::invalid_argument, "run_as_group: {} without run_as_user", *out.run_as_group);
  return out;
}

Result<engine::SecurityContext> from_proto(const v1::LinuxContainerSecurityContext& context) {
  TRY_ASSIGN(engine::SecurityContext out, common_of(context));
  out.run_as_username = context.run_as_username();
  TRY(check_text("run_as_username", out.run_as_username));
  if (out.run_as_group && !out.run_as_user && out.run_as_username.empty())
    return fail(Code::invalid_argument, "run_as_group: {} without run_as_user or run_as_username", *out.run_as_group);
  TRY_ASSIGN(out.apparmor, apparmor_of(context));
  const auto& capabilities = context.capabilities();
  out.add_capabilities = to_vector(capabilities.add_capabilities());
  out.drop_capabilities = to_vector(capabilities.drop_capabilities());
  out.add_ambient_capabilities = to_vector(capabilities.add_ambient_capabilities());
  out.no_new_privs = context.no_new_privs();
  out.masked_paths = to_vector(context.masked_paths());
  out.readonly_paths = to_vector(context.readonly_paths());
  for (const auto* paths : {&out.masked_paths, &out.readonly_paths})
    for (const auto& path : *paths) {
      if (path.empty() || path[0] != '/') return fail(Code::invalid_argument, "masked_paths, readonly_paths: '{}' is not absolute", path);
      TRY(check_text("masked_paths, readonly_paths", path, false));
    }
  return out;
}

Result<engine::LinuxResources> from_proto(const v1::LinuxContainerResources& resources) {
  engine::LinuxResources out;
  out.cpu_period = resources.cpu_period();
  out.cpu_quota = resources.cpu_quota();
  out.cpu_shares = resources.cpu_shares();
  out.memory_limit_in_bytes = resources.memory_limit_in_bytes();
  out.oom_score_adj = resources.oom_score_adj();
  out.cpuset_cpus = resources.cpuset_cpus();
  out.cpuset_mems = resources.cpuset_mems();
  for (const auto& limit : resources.hugepage_limits()) out.hugepage_limits.push_back({limit.page_size(), limit.limit()});
  out.unified = to_map(resources.unified());
  out.memory_swap_limit_in_bytes = resources.memory_swap_limit_in_bytes();
  if (out.cpu_period < 0) return fail(Code::invalid_argument, "cpu_period: {} is negative", out.cpu_period);
  if (out.cpu_shares < 0) return fail(Code::invalid_argument, "cpu_shares: {} is negative", out.cpu_shares);
  for (const auto& [field, value] : {std::pair("cpu_quota", out.cpu_quota), std::pair("memory_limit_in_bytes", out.memory_limit_in_bytes),
                                     std::pair("memory_swap_limit_in_bytes", out.memory_swap_limit_in_bytes)})
    if (value < -1) return fail(Code::invalid_argument, "{}: {} is less than -1, which means no limit", field, value);
  if (out.oom_score_adj < -1000 || out.oom_score_adj > 1000)
    return fail(Code::invalid_argument, "oom_score_adj: {} is not between -1000 and 1000", out.oom_score_adj);
  TRY(check_text("cpuset_cpus", out.cpuset_cpus));
  TRY(check_text("cpuset_mems", out.cpuset_mems));
  for (const auto& [file, value] : out.unified) {
    TRY(check_text("unified", value, false));
    if (file.empty() || file.find('/') != std::string::npos || file.find('\0') != std::string::npos || file.find('.') == std::string::npos)
      return fail(Code::invalid_argument, "unified: '{}' is no control file's name", file);
  }
  return out;
}

}  // namespace slipway::cri
