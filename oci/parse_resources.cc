// The `linux.resources` object, and the document of `update --resources`.
#include "oci/parse_parts.h"

namespace slipway::oci::json {
namespace {

// Version 1's knobs without a counterpart in version 2: 0 and -1 ask for nothing.
Result<void> refuse_unless_unset(const Value& value) {
  if (value.kind() == Kind::integer && value.node().integer == -1) return {};
  if (asks_for_nothing(value)) return {};
  return value.error(Code::unimplemented, "cgroup v2 has no such limit");
}

Result<void> read(const Value& value, DeviceRule& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "allow") return json::read(v, out.allow);
    if (key == "type") return json::read(v, out.type);
    if (key == "major") return json::read(v, out.major);
    if (key == "minor") return json::read(v, out.minor);
    if (key == "access") return json::read(v, out.access);
    return {};
  });
}

Result<void> read(const Value& value, Memory& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "limit") return json::read(v, out.limit);
    if (key == "reservation") return json::read(v, out.reservation);
    if (key == "swap") return json::read(v, out.swap);
    if (key == "checkBeforeUpdate") return json::read(v, out.check_before_update);
    if (key == "kernel" || key == "kernelTCP" || key == "disableOOMKiller") return refuse_unless_unset(v);
    if (key == "swappiness") return v.error(Code::unimplemented, "cgroup v2 has no swappiness of a cgroup");
    return {};  // useHierarchy: version 2 always is hierarchical
  });
}

Result<void> read(const Value& value, Cpu& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "shares") return json::read(v, out.shares);
    if (key == "quota") return json::read(v, out.quota);
    if (key == "burst") return json::read(v, out.burst);
    if (key == "period") return json::read(v, out.period);
    if (key == "idle") return json::read(v, out.idle);
    if (key == "cpus") return json::read(v, out.cpus);
    if (key == "mems") return json::read(v, out.mems);
    if (key == "realtimeRuntime" || key == "realtimePeriod") return refuse_unless_unset(v);
    return {};
  });
}

Result<void> read(const Value& value, WeightDevice& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "major") return json::read(v, out.major);
    if (key == "minor") return json::read(v, out.minor);
    if (key == "weight") return json::read(v, out.weight);
    if (key == "leafWeight") return refuse_unless_unset(v);
    return {};
  });
}

Result<void> read(const Value& value, ThrottleDevice& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "major") return json::read(v, out.major);
    if (key == "minor") return json::read(v, out.minor);
    if (key == "rate") return json::read(v, out.rate);
    return {};
  });
}

Result<void> read(const Value& value, std::vector<ThrottleDevice>& out) {
  return value.items([&](const Value& item) { return read(item, out.emplace_back()); });
}

Result<void> read(const Value& value, BlockIo& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "weight") return json::read(v, out.weight);
    if (key == "leafWeight") return refuse_unless_unset(v);
    if (key == "weightDevice") return v.items([&](const Value& item) { return read(item, out.weight_device.emplace_back()); });
    if (key == "throttleReadBpsDevice") return read(v, out.throttle_read_bps_device);
    if (key == "throttleWriteBpsDevice") return read(v, out.throttle_write_bps_device);
    if (key == "throttleReadIOPSDevice") return read(v, out.throttle_read_iops_device);
    if (key == "throttleWriteIOPSDevice") return read(v, out.throttle_write_iops_device);
    return {};
  });
}

Result<void> read(const Value& value, HugepageLimit& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "pageSize") return json::read(v, out.page_size);
    if (key == "limit") return json::read(v, out.limit);
    return {};
  });
}

Result<void> read(const Value& value, RdmaLimit& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "hcaHandles") return json::read(v, out.hca_handles);
    if (key == "hcaObjects") return json::read(v, out.hca_objects);
    return {};
  });
}

Result<void> read_pids(const Value& value, std::optional<std::int64_t>& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "limit") return json::read(v, out);
    return {};
  });
}

}  // namespace

Result<void> read(const Value& value, Resources& out) {
  return value.members([&](std::string_view key, const Value& v) -> Result<void> {
    if (key == "devices") return v.items([&](const Value& item) { return read(item, out.devices.emplace_back()); });
    if (key == "memory") return read(v, out.memory.emplace());
    if (key == "cpu") return read(v, out.cpu.emplace());
    if (key == "pids") return read_pids(v, out.pids_limit);
    if (key == "blockIO") return read(v, out.block_io.emplace());
    if (key == "hugepageLimits") return v.items([&](const Value& item) { return read(item, out.hugepage_limits.emplace_back()); });
    if (key == "unified") return read(v, out.unified);
    if (key == "rdma")
      return v.members([&](std::string_view device, const Value& item) { return read(item, out.rdma[std::string(device)]); });
    if (key == "network") return refuse_unless_empty(v);
    return {};
  });
}

}  // namespace slipway::oci::json
