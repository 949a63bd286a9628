// The values of spec.h as JSON: compact, members in the specification's order, empty ones left out.
#include <concepts>

#include "oci/json_writer.h"
#include "oci/names.h"
#include "oci/parse.h"
#include "oci/seccomp_default.h"

namespace slipway::oci {
namespace {

using json::Writer;

struct ObjectWriter : Writer {
  explicit ObjectWriter(std::string& out) : Writer(out, '{', '}') {}

  // Absent, empty and false members are left out; numbers are always written.
  void put(std::string_view name, const std::string& text) {
    if (!text.empty()) json::append_quoted(member(name), text);
  }
  // What an object must have: also where it is empty, or the object would read as none at all.
  void put_required(std::string_view name, const std::string& text) { json::append_quoted(member(name), text); }
  void put(std::string_view name, bool value) {
    if (value) member(name) += "true";
  }
  template <std::integral T>
  requires(!std::same_as<T, bool>) void put(std::string_view name, T value) {
    fmt::format_to(std::back_inserter(member(name)), "{}", value);
  }
  void put(std::string_view name, const std::map<std::string, std::string>& map) {
    if (map.empty()) return;
    ObjectWriter object(member(name));
    for (const auto& [key, value] : map) json::append_quoted(object.member(key), value);
  }
  template <class T>
  void put(std::string_view name, const std::optional<T>& value);
  template <class T>
  void put(std::string_view name, const std::vector<T>& list);
  template <class T>
  requires std::is_class_v<T>
  void put(std::string_view name, const T& value);
};

void write(std::string& out, const std::string& text) {
  json::append_quoted(out, text);
}
void write(std::string& out, std::uint32_t value) {
  fmt::format_to(std::back_inserter(out), "{}", value);
}

void write(std::string& out, const ConsoleSize& v) {
  ObjectWriter o(out);
  o.put("height", v.height);
  o.put("width", v.width);
}

void write(std::string& out, const User& v) {
  ObjectWriter o(out);
  o.put("uid", v.uid);
  o.put("gid", v.gid);
  o.put("umask", v.umask);
  o.put("additionalGids", v.additional_gids);
}

void write(std::string& out, const Rlimit& v) {
  ObjectWriter o(out);
  o.put("type", v.type);
  o.put("hard", v.hard);
  o.put("soft", v.soft);
}

void write(std::string& out, const Capabilities& v) {
  ObjectWriter o(out);
  o.put("bounding", v.bounding);
  o.put("effective", v.effective);
  o.put("inheritable", v.inheritable);
  o.put("permitted", v.permitted);
  o.put("ambient", v.ambient);
}

void write(std::string& out, const Scheduler& v) {
  ObjectWriter o(out);
  o.put_required("policy", v.policy);
  o.put("nice", v.nice);
  o.put("priority", v.priority);
  o.put("flags", v.flags);
  o.put("runtime", v.runtime);
  o.put("deadline", v.deadline);
  o.put("period", v.period);
}

void write(std::string& out, const IoPriority& v) {
  ObjectWriter o(out);
  o.put_required("class", v.io_class);
  o.put("priority", v.priority);
}

void write(std::string& out, const CpuAffinity& v) {
  ObjectWriter o(out);
  o.put("initial", v.initial);
  o.put("final", v.final);
}

void write(std::string& out, const Process& v) {
  ObjectWriter o(out);
  o.put("terminal", v.terminal);
  o.put("consoleSize", v.console_size);
  o.put("user", v.user);
  o.put("args", v.args);
  o.put("env", v.env);
  o.put_required("cwd", v.cwd);
  o.put("capabilities", v.capabilities);
  o.put("rlimits", v.rlimits);
  o.put("noNewPrivileges", v.no_new_privileges);
  o.put("apparmorProfile", v.apparmor_profile);
  o.put("oomScoreAdj", v.oom_score_adj);
  o.put("scheduler", v.scheduler);
  o.put("selinuxLabel", v.selinux_label);
  o.put("ioPriority", v.io_priority);
  o.put("execCPUAffinity", v.exec_cpu_affinity);
}

void write(std::string& out, const Root& v) {
  ObjectWriter o(out);
  o.put("path", v.path);
  o.put("readonly", v.readonly);
}

void write(std::string& out, const IdMapping& v) {
  ObjectWriter o(out);
  o.put("containerID", v.container_id);
  o.put("hostID", v.host_id);
  o.put("size", v.size);
}

void write(std::string& out, const Mount& v) {
  ObjectWriter o(out);
  o.put("destination", v.destination);
  o.put("type", v.type);
  o.put("source", v.source);
  o.put("options", v.options);
  o.put("uidMappings", v.uid_mappings);
  o.put("gidMappings", v.gid_mappings);
}

void write(std::string& out, const Namespace& v) {
  ObjectWriter o(out);
  o.put("type", std::string(namespace_name(v.type)));
  o.put("path", v.path);
}

void write(std::string& out, const Device& v) {
  ObjectWriter o(out);
  o.put("path", v.path);
  o.put("type", v.type);
  o.put("major", v.major);
  o.put("minor", v.minor);
  o.put("fileMode", v.file_mode);
  o.put("uid", v.uid);
  o.put("gid", v.gid);
}

void write(std::string& out, const DeviceRule& v) {
  ObjectWriter o(out);
  o.member("allow") += v.allow ? "true" : "false";
  o.put("type", v.type);
  o.put("major", v.major);
  o.put("minor", v.minor);
  o.put("access", v.access);
}

void write(std::string& out, const Memory& v) {
  ObjectWriter o(out);
  o.put("limit", v.limit);
  o.put("reservation", v.reservation);
  o.put("swap", v.swap);
  o.put("checkBeforeUpdate", v.check_before_update);
}

void write(std::string& out, const Cpu& v) {
  ObjectWriter o(out);
  o.put("shares", v.shares);
  o.put("quota", v.quota);
  o.put("burst", v.burst);
  o.put("period", v.period);
  o.put("idle", v.idle);
  o.put("cpus", v.cpus);
  o.put("mems", v.mems);
}

void write(std::string& out, const WeightDevice& v) {
  ObjectWriter o(out);
  o.put("major", v.major);
  o.put("minor", v.minor);
  o.put("weight", v.weight);
}

void write(std::string& out, const ThrottleDevice& v) {
  ObjectWriter o(out);
  o.put("major", v.major);
  o.put("minor", v.minor);
  o.put("rate", v.rate);
}

void write(std::string& out, const BlockIo& v) {
  ObjectWriter o(out);
  o.put("weight", v.weight);
  o.put("weightDevice", v.weight_device);
  o.put("throttleReadBpsDevice", v.throttle_read_bps_device);
  o.put("throttleWriteBpsDevice", v.throttle_write_bps_device);
  o.put("throttleReadIOPSDevice", v.throttle_read_iops_device);
  o.put("throttleWriteIOPSDevice", v.throttle_write_iops_device);
}

void write(std::string& out, const HugepageLimit& v) {
  ObjectWriter o(out);
  o.put("pageSize", v.page_size);
  o.put("limit", v.limit);
}

void write(std::string& out, const RdmaLimit& v) {
  ObjectWriter o(out);
  o.put("hcaHandles", v.hca_handles);
  o.put("hcaObjects", v.hca_objects);
}

void write(std::string& out, const std::map<std::string, RdmaLimit>& v) {
  ObjectWriter o(out);
  for (const auto& [device, limit] : v) o.put(device, limit);
}

void write(std::string& out, const Resources& v) {
  ObjectWriter o(out);
  o.put("devices", v.devices);
  o.put("memory", v.memory);
  o.put("cpu", v.cpu);
  if (v.pids_limit) ObjectWriter(o.member("pids")).put("limit", *v.pids_limit);
  o.put("blockIO", v.block_io);
  o.put("hugepageLimits", v.hugepage_limits);
  if (!v.rdma.empty()) o.put("rdma", v.rdma);
  o.put("unified", v.unified);
}

void write(std::string& out, const SeccompArg& v) {
  ObjectWriter o(out);
  o.put("index", v.index);
  o.put("value", v.value);
  if (v.value_two != 0) o.put("valueTwo", v.value_two);
  o.put("op", v.op);
}

void write(std::string& out, const SeccompSyscall& v) {
  ObjectWriter o(out);
  o.put("names", v.names);
  o.put("action", v.action);
  o.put("errnoRet", v.errno_ret);
  o.put("args", v.args);
}

void write(std::string& out, const Seccomp& v) {
  ObjectWriter o(out);
  o.put("defaultAction", v.default_action);
  o.put("defaultErrnoRet", v.default_errno_ret);
  o.put("architectures", v.architectures);
  o.put("flags", v.flags);
  o.put("listenerPath", v.listener_path);
  o.put("listenerMetadata", v.listener_metadata);
  o.put("syscalls", v.syscalls);
}

void write(std::string& out, const TimeOffset& v) {
  ObjectWriter o(out);
  o.put("secs", v.secs);
  o.put("nanosecs", v.nanosecs);
}

void write(std::string& out, const std::map<std::string, TimeOffset>& v) {
  ObjectWriter o(out);
  for (const auto& [clock, offset] : v) o.put(clock, offset);
}

void write(std::string& out, const std::map<std::string, NetDevice>& v) {
  ObjectWriter o(out);
  for (const auto& [host, device] : v) ObjectWriter(o.member(host)).put("name", device.name);
}

void write(std::string& out, const Personality& v) {
  ObjectWriter o(out);
  o.put_required("domain", v.domain);
  o.put("flags", v.flags);
}

void write(std::string& out, const IntelRdt& v) {
  ObjectWriter o(out);
  o.put("closID", v.clos_id);
  o.put("l3CacheSchema", v.l3_cache_schema);
  o.put("memBwSchema", v.mem_bw_schema);
  o.put("schemata", v.schemata);
  o.put("enableMonitoring", v.enable_monitoring);
}

void write(std::string& out, const MemoryPolicy& v) {
  ObjectWriter o(out);
  o.put_required("mode", v.mode);
  o.put("nodes", v.nodes);
  o.put("flags", v.flags);
}

// `profile`: what stands in the place of `seccomp`.
void write(std::string& out, const Linux& v, std::string_view profile) {
  ObjectWriter o(out);
  o.put("uidMappings", v.uid_mappings);
  o.put("gidMappings", v.gid_mappings);
  if (!v.time_offsets.empty()) o.put("timeOffsets", v.time_offsets);
  o.put("sysctl", v.sysctl);
  o.put("resources", v.resources);
  o.put("cgroupsPath", v.cgroups_path);
  o.put("namespaces", v.namespaces);
  o.put("devices", v.devices);
  if (!v.net_devices.empty()) o.put("netDevices", v.net_devices);
  if (profile.empty()) {
    o.put("seccomp", v.seccomp);
  } else {
    o.member("seccomp") += profile;
  }
  o.put("rootfsPropagation", v.rootfs_propagation);
  o.put("maskedPaths", v.masked_paths);
  o.put("readonlyPaths", v.readonly_paths);
  o.put("mountLabel", v.mount_label);
  o.put("memoryPolicy", v.memory_policy);
  o.put("intelRdt", v.intel_rdt);
  o.put("personality", v.personality);
}

void write(std::string& out, const Hook& v) {
  ObjectWriter o(out);
  o.put("path", v.path);
  o.put("args", v.args);
  o.put("env", v.env);
  o.put("timeout", v.timeout);
}

void write(std::string& out, const Hooks& v) {
  ObjectWriter o(out);
  o.put("prestart", v.prestart);
  o.put("createRuntime", v.create_runtime);
  o.put("createContainer", v.create_container);
  o.put("startContainer", v.start_container);
  o.put("poststart", v.poststart);
  o.put("poststop", v.poststop);
}

void write(std::string& out, const Spec& v, std::string_view profile) {
  ObjectWriter o(out);
  o.put("ociVersion", v.oci_version);
  o.put("process", v.process);
  o.put("root", v.root);
  o.put("hostname", v.hostname);
  o.put("domainname", v.domainname);
  o.put("mounts", v.mounts);
  o.put("hooks", v.hooks);
  o.put("annotations", v.annotations);
  write(o.member("linux"), v.linux_, profile);
}

template <class T>
void ObjectWriter::put(std::string_view name, const std::optional<T>& value) {
  if (!value) return;
  if constexpr (std::same_as<T, bool>) {
    member(name) += *value ? "true" : "false";
  } else if constexpr (std::same_as<T, std::string>) {
    json::append_quoted(member(name), *value);  // an empty text that is there stays there
  } else {
    put(name, *value);
  }
}

template <class T>
void ObjectWriter::put(std::string_view name, const std::vector<T>& list) {
  if (list.empty()) return;
  Writer array(member(name), '[', ']');
  for (const T& item : list) write(array.next(), item);
}

template <class T>
requires std::is_class_v<T>
void ObjectWriter::put(std::string_view name, const T& value) {
  write(member(name), value);
}

}  // namespace

std::string write_spec(const Spec& spec) {
  return write_spec(spec, {});
}

std::string write_spec(const Spec& spec, std::string_view profile) {
  std::string out;
  out.reserve(16 << 10);
  write(out, spec, profile);
  return out;
}

std::string write_process(const Process& process) {
  std::string out;
  write(out, process);
  return out;
}

std::string write_seccomp(const Seccomp& profile) {
  std::string out;
  out.reserve(8 << 10);
  write(out, profile);
  return out;
}

std::string write_resources(const Resources& resources) {
  std::string out;
  write(out, resources);
  return out;
}

}  // namespace slipway::oci
