// linux.resources of the OCI spec: CRI's limits, and which devices may be touched.
#include <algorithm>
#include <array>

#include "engine/spec/builder.h"

namespace slipway::engine {
namespace {

// cgroup v2 files are lower-case words with dots; a path or cgroup.procs would be a way out.
Result<void> check_unified(const std::string& file) {
  const bool plain = !file.empty() && file.size() <= 64 && file.front() != '.' && std::all_of(file.begin(), file.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
  });
  if (!plain || file.find('.') == std::string::npos || file.rfind("cgroup.", 0) == 0)
    return fail(Code::invalid_argument, "unified resource '{}' is no file of a cgroup controller", file);
  return {};
}

Result<std::optional<oci::Memory>> plan_memory(const LinuxResources& asked, const HostFacts& host) {
  if (asked.memory_limit_in_bytes == 0 && asked.memory_swap_limit_in_bytes == 0) return std::optional<oci::Memory>{};
  oci::Memory memory;
  if (asked.memory_limit_in_bytes != 0) memory.limit = asked.memory_limit_in_bytes;
  // CRI's swap value is memory + swap. Without one, a limited container gets no swap: both limits are the same.
  std::int64_t swap = asked.memory_swap_limit_in_bytes;
  if (swap == 0 && asked.memory_limit_in_bytes > 0) swap = asked.memory_limit_in_bytes;
  if (swap > 0 && asked.memory_limit_in_bytes > 0 && swap < asked.memory_limit_in_bytes)
    return fail(Code::invalid_argument, "memory_swap_limit_in_bytes {} is less than memory_limit_in_bytes {}", swap,
                asked.memory_limit_in_bytes);
  if (swap != 0 && host.swap_accounting) memory.swap = swap;
  return std::optional<oci::Memory>(memory);
}

std::optional<oci::Cpu> plan_cpu(const LinuxResources& asked) {
  oci::Cpu cpu;
  if (asked.cpu_shares > 0) cpu.shares = static_cast<std::uint64_t>(asked.cpu_shares);
  if (asked.cpu_quota != 0) cpu.quota = asked.cpu_quota;
  if (asked.cpu_period > 0) cpu.period = static_cast<std::uint64_t>(asked.cpu_period);
  cpu.cpus = asked.cpuset_cpus;
  cpu.mems = asked.cpuset_mems;
  if (!cpu.shares && !cpu.quota && !cpu.period && cpu.cpus.empty() && cpu.mems.empty()) return std::nullopt;
  return cpu;
}

oci::DeviceRule rule(const char* type, std::optional<std::int64_t> major, std::optional<std::int64_t> minor, const char* access) {
  return {.allow = true, .type = type, .major = major, .minor = minor, .access = access};
}

}  // namespace

Result<oci::Resources> plan_resources(const LinuxResources& asked, const HostFacts& host) {
  oci::Resources resources;
  TRY_ASSIGN(resources.memory, plan_memory(asked, host));
  resources.cpu = plan_cpu(asked);
  for (const oci::HugepageLimit& limit : asked.hugepage_limits) {
    const bool known = std::find(host.hugepage_sizes.begin(), host.hugepage_sizes.end(), limit.page_size) != host.hugepage_sizes.end();
    // The kubelet sends 0 for every size it can think of: only a limit that asks for something needs its controller.
    if (limit.limit == 0) continue;
    if (!known)
      return fail(Code::failed_precondition, "hugepage_limits: {} bytes of {}: this host has no huge pages of that size", limit.limit,
                  limit.page_size);
    resources.hugepage_limits.push_back(limit);
  }
  for (const auto& [file, value] : asked.unified) {
    TRY(check_unified(file));
    resources.unified.emplace(file, value);
  }
  return resources;
}

std::vector<oci::DeviceRule> plan_device_rules(const SpecInputs& in) {
  if (all_devices(in)) return {{.allow = true, .type = "a", .major = {}, .minor = {}, .access = "rwm"}};
  std::vector<oci::DeviceRule> rules = {{.allow = false, .type = "a", .major = {}, .minor = {}, .access = "rwm"}};
  rules.push_back(rule("c", {}, {}, "m"));  // making a node is harmless: using it is what the rules are about
  rules.push_back(rule("b", {}, {}, "m"));
  constexpr std::array<std::pair<int, int>, 8> kStandard = {
      {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}}};  // null zero full random urandom tty console ptmx
  for (const auto& [major, minor] : kStandard) rules.push_back(rule("c", major, minor, "rwm"));
  rules.push_back(rule("c", 136, {}, "rwm"));  // Unix98 terminals
  for (const auto* list : {&in.devices, &in.cdi.devices})
    for (const ResolvedDevice& device : *list) {
      if (device.access.empty() || device.device.type == "p") continue;
      rules.push_back(
          {.allow = true, .type = device.device.type, .major = device.device.major, .minor = device.device.minor, .access = device.access});
    }
  return rules;
}

}  // namespace slipway::engine
