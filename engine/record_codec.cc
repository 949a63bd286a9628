// Records as JSON text, field by field; nlohmann's exceptions end here.
#include "engine/record_codec.h"

#include <nlohmann/json.hpp>

namespace nlohmann {

// The rooms' own conversions stay theirs: these are the store's.
template <>
struct adl_serializer<slipway::oci::HugepageLimit> {
  static void to_json(json& j, const slipway::oci::HugepageLimit& v) { j = json{{"page_size", v.page_size}, {"limit", v.limit}}; }
  static void from_json(const json& j, slipway::oci::HugepageLimit& v) {
    v.page_size = j.value("page_size", "");
    v.limit = j.value("limit", std::uint64_t{0});
  }
};

template <>
struct adl_serializer<slipway::oci::IdMapping> {
  static void to_json(json& j, const slipway::oci::IdMapping& v) {
    j = json{{"container_id", v.container_id}, {"host_id", v.host_id}, {"size", v.size}};
  }
  static void from_json(const json& j, slipway::oci::IdMapping& v) {
    v.container_id = j.value("container_id", 0U);
    v.host_id = j.value("host_id", 0U);
    v.size = j.value("size", 0U);
  }
};

template <class T>
struct adl_serializer<std::optional<T>> {
  static void to_json(json& j, const std::optional<T>& v) { v ? j = *v : j = nullptr; }
  static void from_json(const json& j, std::optional<T>& v) { j.is_null() ? v = std::nullopt : v = j.get<T>(); }
};

}  // namespace nlohmann

namespace slipway::engine {

NLOHMANN_JSON_SERIALIZE_ENUM(NamespaceMode, {{NamespaceMode::pod, "pod"},
                                             {NamespaceMode::container, "container"},
                                             {NamespaceMode::node, "node"},
                                             {NamespaceMode::target, "target"}})
NLOHMANN_JSON_SERIALIZE_ENUM(ProfileType, {{ProfileType::unconfined, "unconfined"},
                                           {ProfileType::runtime_default, "runtime_default"},
                                           {ProfileType::localhost, "localhost"},
                                           {ProfileType::implied, "implied"}})
NLOHMANN_JSON_SERIALIZE_ENUM(SupplementalGroupsPolicy,
                             {{SupplementalGroupsPolicy::merge, "merge"}, {SupplementalGroupsPolicy::strict, "strict"}})
NLOHMANN_JSON_SERIALIZE_ENUM(Propagation, {{Propagation::private_, "private"},
                                           {Propagation::host_to_container, "host_to_container"},
                                           {Propagation::bidirectional, "bidirectional"}})
NLOHMANN_JSON_SERIALIZE_ENUM(PodState, {{PodState::not_ready, "not_ready"}, {PodState::ready, "ready"}})
NLOHMANN_JSON_SERIALIZE_ENUM(ContainerState, {{ContainerState::unknown, "unknown"},
                                              {ContainerState::created, "created"},
                                              {ContainerState::running, "running"},
                                              {ContainerState::exited, "exited"}})

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NamespaceOptions, network, pid, ipc, target_id, userns, uid_mappings, gid_mappings)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SecurityProfile, type, localhost_ref)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LinuxResources, cpu_period, cpu_quota, cpu_shares, memory_limit_in_bytes, oom_score_adj,
                                                cpuset_cpus, cpuset_mems, hugepage_limits, unified, memory_swap_limit_in_bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SecurityContext, add_capabilities, drop_capabilities, add_ambient_capabilities, privileged,
                                                namespaces, selinux_user, selinux_role, selinux_type, selinux_level, run_as_user,
                                                run_as_group, run_as_username, readonly_rootfs, supplemental_groups,
                                                supplemental_groups_policy, no_new_privs, masked_paths, readonly_paths, seccomp, apparmor)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PortMapping, protocol, container_port, host_port, host_ip)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DnsConfig, servers, searches, options, set)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PodMetadata, name, uid, namespace_, attempt)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PodSpec, metadata, hostname, log_directory, dns, port_mappings, labels, annotations,
                                                cgroup_parent, sysctls, security, overhead, resources, runtime_handler)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Mount, container_path, host_path, readonly, recursive_read_only, selinux_relabel,
                                                propagation, uid_mappings, gid_mappings, image, image_ref, user_specified_image,
                                                image_sub_path, mount_options)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Device, container_path, host_path, permissions)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ContainerMetadata, name, attempt)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ContainerSpec, metadata, image, user_specified_image, command, args, working_dir, envs,
                                                mounts, devices, labels, annotations, log_path, stdin, stdin_once, tty, cdi_devices,
                                                stop_signal, resources, security)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Stage, name, start, duration, depth)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PodRecord, id, spec, runtime, state, reason, created_at, netns, ips, cgroup, process_label,
                                                mount_label, monitor_pid, last_event, network_up, network_result, boot_id, stages)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ContainerUser, uid, gid, supplemental_groups)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(UsedRuntime, binary, root)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ContainerRecord, id, pod_id, spec, image_id, state, made, created_at, started_at,
                                                finished_at, exit_code, reason, message, pid, log_path, cgroup, user, resources,
                                                stop_signal, runtime, stages)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ImageConfig, env, entrypoint, cmd, user, working_dir, stop_signal, volumes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ImageRecord, id, repo_tags, repo_digests, size, layers, config, pinned, pulled_at)

namespace {

// Bytes that are no UTF-8 become U+FFFD: only messages from outside can hold some, environments were checked before.
template <class T>
std::string dump(const T& record) {
  return nlohmann::json(record).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <class T>
Result<T> parse(std::string_view text) {
  try {
    return nlohmann::json::parse(text).get<T>();
  } catch (const nlohmann::json::exception& e) {
    return fail(Code::data_loss, "record of the store: {}", e.what());
  }
}

}  // namespace

std::string to_json(const PodRecord& record) {
  return dump(record);
}
std::string to_json(const ContainerRecord& record) {
  return dump(record);
}
std::string to_json(const ImageRecord& record) {
  return dump(record);
}
Result<PodRecord> pod_from_json(std::string_view text) {
  return parse<PodRecord>(text);
}
Result<ContainerRecord> container_from_json(std::string_view text) {
  return parse<ContainerRecord>(text);
}

}  // namespace slipway::engine
