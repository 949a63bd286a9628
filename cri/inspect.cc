// The JSON of records. Field names are those of engine/types.h.
#include "cri/inspect.h"

#include <nlohmann/json.hpp>

#include "base/time.h"

namespace slipway::cri {
namespace {

using nlohmann::json;

// Bytes that are no UTF-8 are replaced: the text must stay JSON.
std::string text_of(const json& value) {
  return value.dump(2, ' ', false, json::error_handler_t::replace);
}

json time_of(UnixNanos time) {
  return time == 0 ? json(nullptr) : json(to_rfc3339(time));
}

std::string name_of(engine::NamespaceMode mode) {
  constexpr const char* kNames[] = {"pod", "container", "node", "target"};
  return kNames[static_cast<std::size_t>(mode)];
}

json mappings_of(const std::vector<oci::IdMapping>& mappings) {
  json out = json::array();
  for (const auto& m : mappings) out.push_back({{"container_id", m.container_id}, {"host_id", m.host_id}, {"size", m.size}});
  return out;
}

json namespaces_of(const engine::NamespaceOptions& options) {
  json out{{"network", name_of(options.network)}, {"pid", name_of(options.pid)}, {"ipc", name_of(options.ipc)}};
  if (!options.target_id.empty()) out["target_id"] = options.target_id;
  if (options.userns)
    out["user"] = {{"uid_mappings", mappings_of(options.uid_mappings)}, {"gid_mappings", mappings_of(options.gid_mappings)}};
  return out;
}

json profile_of(const engine::SecurityProfile& profile) {
  switch (profile.type) {
    case engine::ProfileType::runtime_default: return "runtime/default";
    case engine::ProfileType::unconfined: return "unconfined";
    case engine::ProfileType::localhost: return "localhost/" + profile.localhost_ref;
    case engine::ProfileType::implied: return "none named";
  }
  return nullptr;
}

json security_of(const engine::SecurityContext& security) {
  json out{{"add_capabilities", security.add_capabilities},
           {"drop_capabilities", security.drop_capabilities},
           {"add_ambient_capabilities", security.add_ambient_capabilities},
           {"privileged", security.privileged},
           {"namespaces", namespaces_of(security.namespaces)},
           {"readonly_rootfs", security.readonly_rootfs},
           {"supplemental_groups", security.supplemental_groups},
           {"no_new_privs", security.no_new_privs},
           {"masked_paths", security.masked_paths},
           {"readonly_paths", security.readonly_paths},
           {"seccomp", profile_of(security.seccomp)},
           {"apparmor", profile_of(security.apparmor)}};
  if (security.run_as_user) out["run_as_user"] = *security.run_as_user;
  if (security.run_as_group) out["run_as_group"] = *security.run_as_group;
  if (!security.run_as_username.empty()) out["run_as_username"] = security.run_as_username;
  if (!security.selinux_type.empty())
    out["selinux"] = security.selinux_user + ":" + security.selinux_role + ":" + security.selinux_type + ":" + security.selinux_level;
  return out;
}

json resources_of(const engine::LinuxResources& resources) {
  json out{{"cpu_period", resources.cpu_period},
           {"cpu_quota", resources.cpu_quota},
           {"cpu_shares", resources.cpu_shares},
           {"memory_limit_in_bytes", resources.memory_limit_in_bytes},
           {"memory_swap_limit_in_bytes", resources.memory_swap_limit_in_bytes},
           {"oom_score_adj", resources.oom_score_adj},
           {"cpuset_cpus", resources.cpuset_cpus},
           {"cpuset_mems", resources.cpuset_mems},
           {"unified", resources.unified}};
  json pages = json::object();
  for (const auto& limit : resources.hugepage_limits) pages[limit.page_size] = limit.limit;
  out["hugepage_limits"] = pages;
  return out;
}

json stages_of(const std::vector<engine::Stage>& stages) {
  json out = json::array();
  for (const auto& s : stages) out.push_back({{"name", s.name}, {"start", s.start}, {"duration", s.duration}, {"depth", s.depth}});
  return out;
}

json mounts_of(const std::vector<engine::Mount>& mounts) {
  constexpr const char* kPropagation[] = {"private", "host_to_container", "bidirectional"};
  json out = json::array();
  for (const auto& m : mounts) {
    json mount{{"container_path", m.container_path},
               {"readonly", m.readonly},
               {"recursive_read_only", m.recursive_read_only},
               {"propagation", kPropagation[static_cast<std::size_t>(m.propagation)]}};
    if (!m.host_path.empty()) mount["host_path"] = m.host_path;
    if (!m.image.empty()) mount["image"] = m.image;
    out.push_back(std::move(mount));
  }
  return out;
}

json envs_of(const engine::ContainerSpec& spec, Secrets secrets) {
  json out = json::array();
  for (const auto& [name, value] : spec.envs) out.push_back(secrets == Secrets::show ? name + "=" + value : name);
  return out;
}

json spec_of(const engine::PodSpec& spec) {
  json ports = json::array();
  for (const auto& p : spec.port_mappings)
    ports.push_back({{"protocol", p.protocol}, {"container_port", p.container_port}, {"host_port", p.host_port}, {"host_ip", p.host_ip}});
  return {{"metadata",
           {{"name", spec.metadata.name},
            {"uid", spec.metadata.uid},
            {"namespace", spec.metadata.namespace_},
            {"attempt", spec.metadata.attempt}}},
          {"hostname", spec.hostname},
          {"log_directory", spec.log_directory},
          {"dns", {{"servers", spec.dns.servers}, {"searches", spec.dns.searches}, {"options", spec.dns.options}}},
          {"port_mappings", ports},
          {"labels", spec.labels},
          {"annotations", spec.annotations},
          {"cgroup_parent", spec.cgroup_parent},
          {"sysctls", spec.sysctls},
          {"security", security_of(spec.security)},
          {"overhead", resources_of(spec.overhead)},
          {"resources", resources_of(spec.resources)},
          {"runtime_handler", spec.runtime_handler}};
}

json spec_of(const engine::ContainerSpec& spec, Secrets secrets) {
  json devices = json::array();
  for (const auto& d : spec.devices)
    devices.push_back({{"container_path", d.container_path}, {"host_path", d.host_path}, {"permissions", d.permissions}});
  return {{"metadata", {{"name", spec.metadata.name}, {"attempt", spec.metadata.attempt}}},
          {"image", spec.image},
          {"user_specified_image", spec.user_specified_image},
          {"command", spec.command},
          {"args", spec.args},
          {"working_dir", spec.working_dir},
          {"envs", envs_of(spec, secrets)},
          {"mounts", mounts_of(spec.mounts)},
          {"devices", devices},
          {"cdi_devices", spec.cdi_devices},
          {"labels", spec.labels},
          {"annotations", spec.annotations},
          {"log_path", spec.log_path},
          {"stdin", spec.stdin},
          {"stdin_once", spec.stdin_once},
          {"tty", spec.tty},
          {"stop_signal", spec.stop_signal},
          {"security", security_of(spec.security)}};
}

}  // namespace

std::string to_json(const engine::PodRecord& pod) {
  json out{{"id", pod.id},
           {"state", pod.state == engine::PodState::ready ? "ready" : "not_ready"},
           {"reason", pod.reason},
           {"runtime", pod.runtime},
           {"created_at", time_of(pod.created_at)},
           {"monitor_pid", pod.monitor_pid},
           {"netns", pod.netns},
           {"ips", pod.ips},
           {"cgroup", pod.cgroup},
           {"network_up", pod.network_up},
           {"boot_id", pod.boot_id},
           {"spec", spec_of(pod.spec)},
           {"stages", stages_of(pod.stages)}};
  // A plugin's result is JSON already, but it is a plugin's: no text of it breaks ours.
  out["network_result"] = json::accept(pod.network_result) ? json::parse(pod.network_result) : json(pod.network_result);
  return text_of(out);
}

std::string to_json(const engine::ContainerRecord& container, Secrets secrets) {
  constexpr const char* kStates[] = {"created", "running", "exited", "unknown"};
  return text_of(
      {{"id", container.id},
       {"pod_id", container.pod_id},
       {"state", kStates[static_cast<std::size_t>(container.state)]},
       {"reason", container.reason},
       {"message", container.message},
       {"exit_code", container.exit_code},
       {"created_at", time_of(container.created_at)},
       {"started_at", time_of(container.started_at)},
       {"finished_at", time_of(container.finished_at)},
       {"pid", container.pid},
       {"image_id", container.image_id},
       {"log_path", container.log_path},
       {"cgroup", container.cgroup},
       {"runtime", container.runtime.binary},
       {"user", {{"uid", container.user.uid}, {"gid", container.user.gid}, {"supplemental_groups", container.user.supplemental_groups}}},
       {"resources", resources_of(container.resources)},
       {"stop_signal", container.stop_signal},
       {"spec", spec_of(container.spec, secrets)},
       {"stages", stages_of(container.stages)}});
}

std::string to_json(const engine::ImageRecord& image) {
  return text_of({{"id", image.id},
                  {"repo_tags", image.repo_tags},
                  {"repo_digests", image.repo_digests},
                  {"size", image.size},
                  {"layers", image.layers},
                  {"pinned", image.pinned},
                  {"pulled_at", time_of(image.pulled_at)},
                  {"config",
                   {{"env", image.config.env},
                    {"entrypoint", image.config.entrypoint},
                    {"cmd", image.config.cmd},
                    {"user", image.config.user},
                    {"working_dir", image.config.working_dir},
                    {"stop_signal", image.config.stop_signal},
                    {"volumes", image.config.volumes}}}});
}

}  // namespace slipway::cri
