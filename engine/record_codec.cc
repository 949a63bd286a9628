// Records as JSON text, field by field: read by nlohmann, whose exceptions end here, and written straight into the text, since each change
// of a record is written and none is read before the next slipwayd.
#include "engine/record_codec.h"

#include <concepts>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "oci/json_writer.h"

namespace nlohmann {

// The rooms' own conversions stay theirs: these are the store's.
template <>
struct adl_serializer<slipway::oci::HugepageLimit> {
  static void from_json(const json& j, slipway::oci::HugepageLimit& v) {
    v.page_size = j.value("page_size", "");
    v.limit = j.value("limit", std::uint64_t{0});
  }
};

template <>
struct adl_serializer<slipway::oci::IdMapping> {
  static void from_json(const json& j, slipway::oci::IdMapping& v) {
    v.container_id = j.value("container_id", 0U);
    v.host_id = j.value("host_id", 0U);
    v.size = j.value("size", 0U);
  }
};

template <class T>
struct adl_serializer<std::optional<T>> {
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

// Bytes that are no UTF-8 become U+FFFD: only messages from outside can hold some, environments were checked before.
inline void write_json(std::string& out, const std::string& text) {
  oci::json::append_quoted_utf8(out, text);
}
inline void write_json(std::string& out, bool value) {
  out += value ? "true" : "false";
}
template <std::integral T>
requires(!std::same_as<T, bool>) void write_json(std::string& out, T value) {
  fmt::format_to(std::back_inserter(out), "{}", value);
}
template <class E>
requires std::is_enum_v<E>
void write_json(std::string& out, E value) {
  const nlohmann::json name = value;
  write_json(out, name.template get_ref<const std::string&>());
}
inline void write_json(std::string& out, const oci::HugepageLimit& v) {
  oci::json::Writer object(out, '{', '}');
  write_json(object.member("page_size"), v.page_size);
  write_json(object.member("limit"), v.limit);
}
inline void write_json(std::string& out, const oci::IdMapping& v) {
  oci::json::Writer object(out, '{', '}');
  write_json(object.member("container_id"), v.container_id);
  write_json(object.member("host_id"), v.host_id);
  write_json(object.member("size"), v.size);
}
inline void write_json(std::string& out, const std::map<std::string, std::string>& map) {
  oci::json::Writer object(out, '{', '}');
  for (const auto& [key, value] : map) {
    write_json(object.next(), key);
    write_json(out += ':', value);
  }
}
inline void write_json(std::string& out, const std::pair<std::string, std::string>& pair) {
  oci::json::Writer array(out, '[', ']');
  write_json(array.next(), pair.first);
  write_json(array.next(), pair.second);
}
template <class T>
void write_json(std::string& out, const std::optional<T>& value) {
  if (value) {
    write_json(out, *value);
  } else {
    out += "null";
  }
}
template <class T>
void write_json(std::string& out, const std::vector<T>& list) {
  oci::json::Writer array(out, '[', ']');
  for (const T& item : list) write_json(array.next(), item);
}

// What holds nothing is left out, which shortens a row: read back, it is the default's, which holds nothing either.
template <class T>
void write_field(oci::json::Writer& object, std::string_view name, const T& value) {
  if constexpr (requires { value.empty(); }) {
    if (value.empty()) return;
  }
  write_json(object.member(name), value);
}

// One list of fields for both ways.
#define SLIPWAY_WRITE_FIELD(field) write_field(object, #field, record.field);
#define SLIPWAY_RECORD(Type, ...)                                                           \
  inline void from_json(const nlohmann::json& nlohmann_json_j, Type& nlohmann_json_t) {     \
    const Type nlohmann_json_default_obj{};                                                 \
    NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(NLOHMANN_JSON_FROM_WITH_DEFAULT, __VA_ARGS__)) \
  }                                                                                         \
  inline void write_json(std::string& out, const Type& record) {                            \
    oci::json::Writer object(out, '{', '}');                                                \
    NLOHMANN_JSON_EXPAND(NLOHMANN_JSON_PASTE(SLIPWAY_WRITE_FIELD, __VA_ARGS__))             \
  }

SLIPWAY_RECORD(NamespaceOptions, network, pid, ipc, target_id, userns, uid_mappings, gid_mappings)
SLIPWAY_RECORD(SecurityProfile, type, localhost_ref)
SLIPWAY_RECORD(LinuxResources, cpu_period, cpu_quota, cpu_shares, memory_limit_in_bytes, oom_score_adj, cpuset_cpus, cpuset_mems,
               hugepage_limits, unified, memory_swap_limit_in_bytes)
SLIPWAY_RECORD(SecurityContext, add_capabilities, drop_capabilities, add_ambient_capabilities, privileged, namespaces, selinux_user,
               selinux_role, selinux_type, selinux_level, run_as_user, run_as_group, run_as_username, readonly_rootfs, supplemental_groups,
               supplemental_groups_policy, no_new_privs, masked_paths, readonly_paths, seccomp, apparmor)
SLIPWAY_RECORD(PortMapping, protocol, container_port, host_port, host_ip)
SLIPWAY_RECORD(DnsConfig, servers, searches, options, set)
SLIPWAY_RECORD(PodMetadata, name, uid, namespace_, attempt)
SLIPWAY_RECORD(PodSpec, metadata, hostname, log_directory, dns, port_mappings, labels, annotations, cgroup_parent, sysctls, security,
               overhead, resources, runtime_handler)
SLIPWAY_RECORD(Mount, container_path, host_path, readonly, recursive_read_only, selinux_relabel, propagation, uid_mappings, gid_mappings,
               image, image_ref, user_specified_image, image_sub_path, mount_options)
SLIPWAY_RECORD(Device, container_path, host_path, permissions)
SLIPWAY_RECORD(ContainerMetadata, name, attempt)
SLIPWAY_RECORD(ContainerSpec, metadata, image, user_specified_image, command, args, working_dir, envs, mounts, devices, labels, annotations,
               log_path, stdin, stdin_once, tty, cdi_devices, stop_signal, resources, security)
SLIPWAY_RECORD(Stage, name, start, duration, depth)
SLIPWAY_RECORD(PodRecord, id, spec, runtime, state, reason, created_at, netns, ips, cgroup, process_label, mount_label, monitor_pid,
               last_event, network_up, network_result, boot_id, stages)
SLIPWAY_RECORD(ContainerUser, uid, gid, supplemental_groups)
SLIPWAY_RECORD(UsedRuntime, binary, root)
SLIPWAY_RECORD(ContainerRecord, id, pod_id, spec, image_id, state, made, created_at, started_at, finished_at, exit_code, reason, message,
               pid, log_path, cgroup, user, resources, stop_signal, runtime, stages)
SLIPWAY_RECORD(ImageConfig, env, entrypoint, cmd, user, working_dir, stop_signal, volumes)
SLIPWAY_RECORD(ImageRecord, id, repo_tags, repo_digests, size, layers, config, pinned, pulled_at)

namespace {

template <class T>
std::string dump(const T& record) {
  std::string out;
  out.reserve(4096);
  write_json(out, record);
  return out;
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

#undef SLIPWAY_RECORD
#undef SLIPWAY_WRITE_FIELD

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
