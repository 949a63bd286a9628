// The specification's rules for a whole Spec.
#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <set>
#include <span>

#include "oci/names.h"
#include "oci/parse.h"
#include "oci/validate_parts.h"

namespace slipway::oci {
namespace {

template <class... Args>
Error wrong(fmt::format_string<Args...> text, Args&&... args) {
  return fail(Code::invalid_argument, text, std::forward<Args>(args)...);
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> known) {
  return std::find(known.begin(), known.end(), text) != known.end();
}

bool is_absolute(std::string_view path) {
  return path.starts_with('/');
}

bool has_parent_component(std::string_view path) {
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    if (path.substr(at, end - at) == "..") return true;
    at = end + 1;
  }
  return false;
}

const Namespace* find_namespace(const Linux& linux_, NamespaceType type) {
  for (const Namespace& ns : linux_.namespaces)
    if (ns.type == type) return &ns;
  return nullptr;
}

// "1.0.2-dev": three numbers with an optional tail, the first of them 1.
Result<void> check_version(std::string_view version) {
  const char* p = version.data();
  const char* end = p + version.size();
  unsigned part[3] = {0, 0, 0};
  for (int i = 0; i < 3; ++i) {
    const auto r = std::from_chars(p, end, part[i]);
    const bool dot = r.ptr != end && *r.ptr == '.';
    if (r.ec != std::errc() || (i < 2 && !dot)) return wrong("ociVersion: '{}' is not a semantic version", version);
    p = r.ptr + (dot && i < 2 ? 1 : 0);
  }
  if (p != end && *p != '-' && *p != '+') return wrong("ociVersion: '{}' is not a semantic version", version);
  if (part[0] != 1) return wrong("ociVersion: '{}' is not supported: slipway reads versions 1.x", version);
  return {};
}

Result<void> check_mappings(std::string_view field, std::span<const IdMapping> mappings) {
  constexpr std::size_t kKernelLimit = 340;  // user_namespaces(7)
  if (mappings.size() > kKernelLimit) return wrong("{}: {} mappings are more than the kernel's {}", field, mappings.size(), kKernelLimit);
  for (std::size_t i = 0; i < mappings.size(); ++i) {
    const IdMapping& m = mappings[i];
    if (m.size == 0) return wrong("{}[{}].size: is 0", field, i);
    if (m.container_id > UINT32_MAX - m.size || m.host_id > UINT32_MAX - m.size)
      return wrong("{}[{}]: {} ids from {} and {} leave the 32 bits", field, i, m.size, m.container_id, m.host_id);
  }
  return {};
}

Result<void> check_mount(std::size_t index, const Mount& mount) {
  if (mount.destination.empty()) return wrong("mounts[{}].destination: is missing", index);
  if (mount.uid_mappings.empty() != mount.gid_mappings.empty())
    return wrong("mounts[{}]: uidMappings and gidMappings come only together", index);
  TRY(check_mappings(fmt::format("mounts[{}].uidMappings", index), mount.uid_mappings));
  return check_mappings(fmt::format("mounts[{}].gidMappings", index), mount.gid_mappings);
}

Result<void> check_time_offsets(const Linux& l) {
  if (l.time_offsets.empty()) return {};
  const Namespace* time = find_namespace(l, NamespaceType::time);
  if (time == nullptr || !time->path.empty()) return wrong("linux.timeOffsets: there is no new time namespace in linux.namespaces");
  for (const auto& [clock, offset] : l.time_offsets) {
    if (!is_one_of(clock, {"monotonic", "boottime"})) return wrong("linux.timeOffsets: clock '{}' is not known", clock);
    if (offset.nanosecs >= 1'000'000'000) return wrong("linux.timeOffsets.{}.nanosecs: {} is a second or more", clock, offset.nanosecs);
  }
  return {};
}

Result<void> check_namespaces(const Linux& l) {
  std::set<NamespaceType> seen;
  for (std::size_t i = 0; i < l.namespaces.size(); ++i) {
    const Namespace& ns = l.namespaces[i];
    if (!seen.insert(ns.type).second) return wrong("linux.namespaces[{}].type: '{}' comes twice", i, namespace_name(ns.type));
    if (!ns.path.empty() && !is_absolute(ns.path)) return wrong("linux.namespaces[{}].path: '{}' is not absolute", i, ns.path);
  }
  TRY(check_mappings("linux.uidMappings", l.uid_mappings));
  TRY(check_mappings("linux.gidMappings", l.gid_mappings));
  const Namespace* user = find_namespace(l, NamespaceType::user);
  if (user == nullptr && !(l.uid_mappings.empty() && l.gid_mappings.empty()))
    return wrong("linux.uidMappings, linux.gidMappings: there is no user namespace in linux.namespaces");
  if (user != nullptr && user->path.empty() && (l.uid_mappings.empty() || l.gid_mappings.empty()))
    return wrong("linux.uidMappings, linux.gidMappings: a new user namespace needs both");
  return {};
}

// dev_valid_name() of the kernel.
bool is_interface_name(std::string_view name) {
  constexpr std::size_t kLongest = 15;
  return !name.empty() && name.size() <= kLongest && name != "." && name != ".." &&
         name.find_first_of("/: \t\n\v\f\r%") == std::string_view::npos;
}

// "eth%d": the first number that is free there.
bool is_interface_template(std::string_view name) {
  return name.ends_with("%d") && is_interface_name(std::string(name.substr(0, name.size() - 2)) + "0");
}

Result<void> check_net_devices(const Linux& l) {
  if (l.net_devices.empty()) return {};
  if (find_namespace(l, NamespaceType::network) == nullptr)
    return wrong("linux.netDevices: there is no network namespace in linux.namespaces");
  std::set<std::string_view> names;
  for (const auto& [host, device] : l.net_devices) {
    const std::string& name = device.name.empty() ? host : device.name;
    if (!is_interface_name(host)) return wrong("linux.netDevices: '{}' is not the name of a device", host);
    if (is_interface_template(device.name)) continue;
    if (!is_interface_name(name)) return wrong("linux.netDevices.{}.name: '{}' is not the name of a device", host, name);
    if (!names.insert(name).second) return wrong("linux.netDevices.{}.name: '{}' comes twice", host, name);
  }
  return {};
}

Result<void> check_device(std::size_t index, const Device& d) {
  if (!is_absolute(d.path)) return wrong("linux.devices[{}].path: '{}' is not absolute", index, d.path);
  if (!is_one_of(d.type, {"c", "b", "u", "p"})) return wrong("linux.devices[{}].type: '{}' is not known", index, d.type);
  constexpr std::int64_t kLargestMajor = 0xfff, kLargestMinor = 0xfffff;  // mknod(2) cuts what is beyond to another device's number
  if (d.type != "p" && (d.major < 0 || d.minor < 0 || d.major > kLargestMajor || d.minor > kLargestMinor))
    return wrong("linux.devices[{}]: {}:{} is not a device number", index, d.major, d.minor);
  if (d.file_mode && (*d.file_mode & ~0177777U) != 0) return wrong("linux.devices[{}].fileMode: {} is not a mode", index, *d.file_mode);
  return {};
}

Result<void> check_resources(const Resources& r) {
  for (std::size_t i = 0; i < r.devices.size(); ++i) {
    const DeviceRule& rule = r.devices[i];
    if (!is_one_of(rule.type, {"", "a", "b", "c"})) return wrong("linux.resources.devices[{}].type: '{}' is not known", i, rule.type);
    if (rule.access.find_first_not_of("rwm") != std::string::npos)
      return wrong("linux.resources.devices[{}].access: '{}' is not some of 'rwm'", i, rule.access);
  }
  for (const auto& [file, value] : r.unified) {
    if (file.empty() || file.find('/') != std::string::npos || file.find('.') == std::string::npos)
      return wrong("linux.resources.unified: '{}' is not the name of a cgroup file", file);
  }
  return {};
}

// Which namespace a sysctl belongs to; nothing for those of the whole host.
std::optional<NamespaceType> sysctl_namespace(std::string_view path) {
  if (path.starts_with("net/")) return NamespaceType::network;
  if (path.starts_with("fs/mqueue/") || is_one_of(path, {"kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall",
                                                         "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced"}))
    return NamespaceType::ipc;
  if (path == "kernel/domainname") return NamespaceType::uts;
  return std::nullopt;
}

Result<void> check_sysctl(const Linux& l) {
  for (const auto& [name, value] : l.sysctl) {
    TRY_ASSIGN(const std::string path, sysctl_path(name));
    if (path == "kernel/hostname") return wrong("linux.sysctl.{}: is set by 'hostname'", name);
    const auto type = sysctl_namespace(path);
    if (!type) return wrong("linux.sysctl.{}: '{}' cannot be set: it belongs to the whole host, not to a namespace", name, value);
    if (find_namespace(l, *type) == nullptr)
      return wrong("linux.sysctl.{}: there is no {} namespace in linux.namespaces", name, namespace_name(*type));
    for (const char c : value)
      if (static_cast<unsigned char>(c) < 0x20 && c != '\t') return wrong("linux.sysctl.{}: a control character in the value", name);
  }
  return {};
}

// The name of a directory of resctrl beside those that the kernel has there.
Result<void> check_intel_rdt(const IntelRdt& rdt) {
  const std::string& id = rdt.clos_id;
  const bool name = id.empty() || id == "/" || (id.find_first_of("/\n") == std::string::npos && !is_one_of(id, {".", ".."}));
  if (!name || is_one_of(id, {"info", "mon_data", "mon_groups"}))
    return wrong("linux.intelRdt.closID: '{}' is not the name of a class of service", id);
  for (const auto& [field, value] : {std::pair{"l3CacheSchema", &rdt.l3_cache_schema}, std::pair{"memBwSchema", &rdt.mem_bw_schema}})
    if (value->find('\n') != std::string::npos) return wrong("linux.intelRdt.{}: has more than one line", field);
  if (!rdt.mem_bw_schema.empty() && !rdt.mem_bw_schema.starts_with("MB:"))
    return wrong("linux.intelRdt.memBwSchema: '{}' does not begin with 'MB:'", rdt.mem_bw_schema);
  for (std::size_t i = 0; i < rdt.schemata.size(); ++i)
    if (rdt.schemata[i].empty() || rdt.schemata[i].find('\n') != std::string::npos)
      return wrong("linux.intelRdt.schemata[{}]: is not one line", i);
  return {};
}

Result<void> check_linux(const Linux& l) {
  TRY(check_namespaces(l));
  if (l.intel_rdt) TRY(check_intel_rdt(*l.intel_rdt));
  TRY(check_time_offsets(l));
  TRY(check_net_devices(l));
  for (std::size_t i = 0; i < l.devices.size(); ++i) TRY(check_device(i, l.devices[i]));
  if (has_parent_component(l.cgroups_path)) return wrong("linux.cgroupsPath: '{}' has a '..' in it", l.cgroups_path);
  if (!is_one_of(l.rootfs_propagation, {"", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"}))
    return wrong("linux.rootfsPropagation: '{}' is not known", l.rootfs_propagation);
  for (std::size_t i = 0; i < l.masked_paths.size(); ++i)
    if (!is_absolute(l.masked_paths[i])) return wrong("linux.maskedPaths[{}]: '{}' is not absolute", i, l.masked_paths[i]);
  for (std::size_t i = 0; i < l.readonly_paths.size(); ++i)
    if (!is_absolute(l.readonly_paths[i])) return wrong("linux.readonlyPaths[{}]: '{}' is not absolute", i, l.readonly_paths[i]);
  if (l.resources) TRY(check_resources(*l.resources));
  if (l.seccomp && l.seccomp->default_action.empty()) return wrong("linux.seccomp.defaultAction: is missing");
  return check_sysctl(l);
}

Result<void> check_names(const Spec& spec) {
  constexpr std::size_t kLongest = 64;  // __NEW_UTS_LEN
  const bool uts = find_namespace(spec.linux_, NamespaceType::uts) != nullptr;
  for (const auto& [field, value] : {std::pair{"hostname", &spec.hostname}, std::pair{"domainname", &spec.domainname}}) {
    if (value->empty()) continue;
    if (!uts) return wrong("{}: there is no uts namespace in linux.namespaces", field);
    if (value->size() > kLongest) return wrong("{}: '{}' is longer than {} bytes", field, *value, kLongest);
  }
  return {};
}

}  // namespace

Result<std::string> sysctl_path(std::string_view name) {
  std::string path(name);
  const std::size_t first = path.find_first_of("./");
  if (first != std::string::npos && path[first] == '.') {
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  }
  bool empty = true;
  for (const char c : path + '/') {
    if (c == '/' && empty) return wrong("linux.sysctl: '{}' is not the name of a sysctl", name);
    empty = c == '/';
    if (static_cast<unsigned char>(c) <= 0x20) return wrong("linux.sysctl: a space or control character in a name");
  }
  if (first == std::string::npos || has_parent_component(path)) return wrong("linux.sysctl: '{}' is not the name of a sysctl", name);
  return path;
}

Result<void> validate(const Spec& spec) {
  TRY(check_version(spec.oci_version));
  if (!spec.root || spec.root->path.empty()) return wrong("root.path: is missing");
  if (spec.process) TRY(validate(*spec.process));  // REQUIRED when start is called, not before (config.md, "Process")
  TRY(check_names(spec));
  for (std::size_t i = 0; i < spec.mounts.size(); ++i) TRY(check_mount(i, spec.mounts[i]));
  for (const auto& [key, value] : spec.annotations)
    if (key.empty()) return wrong("annotations: an empty key");
  if (spec.hooks) TRY(check_hooks(*spec.hooks));
  return check_linux(spec.linux_);
}

}  // namespace slipway::oci
