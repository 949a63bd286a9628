// The `linux` object of config.json without its resources and seccomp.
#include "oci/names.h"
#include "oci/parse_parts.h"

namespace slipway::oci::json {
namespace {

Result<void> read(const Value& value, NamespaceType& out) {
  std::string name;
  TRY(json::read(value, name));
  const auto type = namespace_type(name);
  if (!type) return value.not_known();
  out = *type;
  return {};
}

Result<void> read(const Value& value, Namespace& out) {
  bool typed = false;
  TRY(value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "path") return json::read(v, out.path);
    if (key != "type") return {};
    typed = true;
    return read(v, out.type);
  }));
  if (!typed) return value.error(Code::invalid_argument, "'type' is missing");
  return {};
}

Result<void> read(const Value& value, Device& out) {
  bool numbered[2] = {false, false};
  TRY(value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "path") return json::read(v, out.path);
    if (key == "type") return json::read(v, out.type);
    if (key == "major") return numbered[0] = true, json::read(v, out.major);
    if (key == "minor") return numbered[1] = true, json::read(v, out.minor);
    if (key == "fileMode") return json::read(v, out.file_mode);
    if (key == "uid") return json::read(v, out.uid);
    if (key == "gid") return json::read(v, out.gid);
    return {};
  }));
  // Without them 0:0 would be made, which overlayfs reads as "deleted".
  if (out.type != "p" && !(numbered[0] && numbered[1]))
    return value.error(Code::invalid_argument, "'major' and 'minor' are not both there");
  return {};
}

Result<void> read(const Value& value, Personality& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "domain") return json::read(v, out.domain);
    if (key == "flags") return json::read(v, out.flags);
    return {};
  });
}

Result<void> read(const Value& value, MemoryPolicy& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "mode") return json::read(v, out.mode);
    if (key == "nodes") return json::read(v, out.nodes);
    if (key == "flags") return json::read(v, out.flags);
    return {};
  });
}

Result<void> read(const Value& value, IntelRdt& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "closID") return json::read(v, out.clos_id);
    if (key == "l3CacheSchema") return json::read(v, out.l3_cache_schema);
    if (key == "memBwSchema") return json::read(v, out.mem_bw_schema);
    if (key == "schemata") return json::read(v, out.schemata);
    if (key == "enableMonitoring") return json::read(v, out.enable_monitoring);
    return {};
  });
}

Result<void> read(const Value& value, NetDevice& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "name") return json::read(v, out.name);
    return {};
  });
}

}  // namespace

Result<void> read(const Value& value, IdMapping& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "containerID") return read(v, out.container_id);
    if (key == "hostID") return read(v, out.host_id);
    if (key == "size") return read(v, out.size);
    return {};
  });
}

Result<void> read(const Value& value, TimeOffset& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "secs") return read(v, out.secs);
    if (key == "nanosecs") return read(v, out.nanosecs);
    return {};
  });
}

Result<void> read(const Value& value, Linux& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "namespaces") return v.items([&](const Value& item) { return read(item, out.namespaces.emplace_back()); });
    if (key == "uidMappings") return read(v, out.uid_mappings);
    if (key == "gidMappings") return read(v, out.gid_mappings);
    if (key == "timeOffsets")
      return v.members([&](std::string_view clock, const Value& item) { return read(item, out.time_offsets[std::string(clock)]); });
    if (key == "devices") return v.items([&](const Value& item) { return read(item, out.devices.emplace_back()); });
    if (key == "cgroupsPath") return read(v, out.cgroups_path);
    if (key == "resources") return read(v, out.resources.emplace());
    if (key == "rootfsPropagation") return read(v, out.rootfs_propagation);
    if (key == "seccomp") return read(v, out.seccomp.emplace());
    if (key == "sysctl") return read(v, out.sysctl);
    if (key == "maskedPaths") return read(v, out.masked_paths);
    if (key == "readonlyPaths") return read(v, out.readonly_paths);
    if (key == "mountLabel") return read(v, out.mount_label);
    if (key == "personality" && v.size() > 0) return read(v, out.personality.emplace());
    if (key == "memoryPolicy" && v.size() > 0) return read(v, out.memory_policy.emplace());
    if (key == "netDevices")
      return v.members([&](std::string_view name, const Value& item) { return read(item, out.net_devices[std::string(name)]); });
    if (key == "intelRdt") return read(v, out.intel_rdt.emplace());
    return {};
  });
}

}  // namespace slipway::oci::json
