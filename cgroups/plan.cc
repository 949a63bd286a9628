// Each limit of the specification in the words of cgroup v2's files.
#include "cgroups/plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "base/text.h"

namespace slipway::cgroups {
namespace {

constexpr std::uint64_t kLeastShares = 2;
constexpr std::uint64_t kMostShares = 262144;
constexpr std::uint64_t kDefaultWeight = 100;     // the kernel's own
constexpr std::uint64_t kDefaultPeriod = 100000;  // microseconds, the kernel's own

template <class... Args>
Error wrong(fmt::format_string<Args...> text, Args&&... args) {
  return fail(Code::invalid_argument, text, std::forward<Args>(args)...);
}

std::string number_or_max(std::int64_t value) {
  return value < 0 ? "max" : fmt::format("{}", value);
}

// -1 is how the specification says "no limit"; anything below is somebody's mistake and no wish.
Result<void> check_limit(std::int64_t value, const char* field) {
  if (value < -1) return wrong("{}: {} is less than -1, which means no limit", field, value);
  return {};
}

// No limit holds anyway where the controller is off.
Write limit(const char* file, std::int64_t value, const char* field) {
  return {file, number_or_max(value), field, value < 0 ? Missing::ignore : Missing::refuse};
}

// What a cgroup may use beyond its memory: the specification's value counts memory and swap together.
Result<void> plan_swap(const oci::Memory& memory, std::vector<Write>& out) {
  const std::int64_t swap = memory.swap.value_or(0);
  const std::int64_t bound = memory.limit.value_or(0);
  constexpr const char* kField = "linux.resources.memory.swap";
  TRY(check_limit(swap, kField));
  if (swap == 0) {
    // Without a memory limit a swap limit would have nothing to stand on.
    if (bound < 0) out.push_back(limit("memory.swap.max", -1, kField));
    return {};
  }
  if (swap < 0) {
    out.push_back(limit("memory.swap.max", -1, kField));
    return {};
  }
  if (bound <= 0) return wrong("{}: {} counts memory and swap together and needs linux.resources.memory.limit", kField, swap);
  if (swap < bound) return wrong("{}: {} is less than the memory limit {}", kField, swap, bound);
  Write write = limit("memory.swap.max", swap - bound, kField);
  if (swap == bound) write.missing = Missing::ignore;  // a kernel without swap gives none
  out.push_back(std::move(write));
  return {};
}

Result<void> plan_memory(const oci::Memory& memory, std::vector<Write>& out) {
  TRY(check_limit(memory.limit.value_or(0), "linux.resources.memory.limit"));
  TRY(check_limit(memory.reservation.value_or(0), "linux.resources.memory.reservation"));
  // Swap first: a memory limit written alone would push what is above it out to the swap that is to be closed.
  TRY(plan_swap(memory, out));
  if (memory.limit.value_or(0) != 0) out.push_back(limit("memory.max", *memory.limit, "linux.resources.memory.limit"));
  if (memory.reservation.value_or(0) != 0) out.push_back(limit("memory.low", *memory.reservation, "linux.resources.memory.reservation"));
  return {};
}

Result<void> plan_bandwidth(const oci::Cpu& cpu, std::vector<Write>& out) {
  const std::int64_t quota = cpu.quota.value_or(0);
  const std::uint64_t period = cpu.period.value_or(0);
  TRY(check_limit(quota, "linux.resources.cpu.quota"));
  // A burst may not exceed the quota at any moment between the writes.
  if (cpu.burst) out.push_back({"cpu.max.burst", "0", "linux.resources.cpu.burst", Missing::ignore});
  if (quota != 0) {
    const std::string first = quota > 0 ? fmt::format("{}", quota) : "max";
    out.push_back({"cpu.max", fmt::format("{} {}", first, period != 0 ? period : kDefaultPeriod), "linux.resources.cpu.quota",
                   quota > 0 ? Missing::refuse : Missing::ignore});
  } else if (period != 0) {
    Write write{"cpu.max", fmt::format("max {}", period), "linux.resources.cpu.period", Missing::ignore};
    write.keep_first_word = true;
    out.push_back(std::move(write));
  }
  if (cpu.burst.value_or(0) != 0) out.push_back({"cpu.max.burst", fmt::format("{}", *cpu.burst), "linux.resources.cpu.burst"});
  return {};
}

Result<void> plan_cpu_list(const char* file, const std::string& list, const char* field, std::vector<Write>& out) {
  if (list.empty()) return {};
  if (list.find_first_not_of("0123456789,- ") != std::string::npos) return wrong("{}: '{}' is not a list of numbers", field, list);
  out.push_back({file, list, field});
  return {};
}

Result<void> plan_cpu(const oci::Cpu& cpu, std::vector<Write>& out) {
  const std::int64_t idle = cpu.idle.value_or(0);
  if (idle != 0 && idle != 1) return wrong("linux.resources.cpu.idle: {} is not 0 or 1", idle);
  if (cpu.idle)
    out.push_back({"cpu.idle", fmt::format("{}", idle), "linux.resources.cpu.idle", idle == 0 ? Missing::ignore : Missing::refuse});
  // An idle group has the least weight there is; the kernel refuses another.
  if (idle == 0 && cpu.shares.value_or(0) != 0) {
    const std::uint64_t weight = weight_from_shares(*cpu.shares);
    // The kernel's default holds where there is no controller: containerd asks for it always.
    out.push_back({"cpu.weight", fmt::format("{}", weight), "linux.resources.cpu.shares",
                   weight == kDefaultWeight ? Missing::ignore : Missing::refuse});
  }
  TRY(plan_bandwidth(cpu, out));
  TRY(plan_cpu_list("cpuset.cpus", cpu.cpus, "linux.resources.cpu.cpus", out));
  return plan_cpu_list("cpuset.mems", cpu.mems, "linux.resources.cpu.mems", out);
}

Result<std::uint64_t> io_weight(std::uint64_t weight, const std::string& field) {
  if (weight < 10 || weight > 1000) return wrong("{}: {} is not from 10 to 1000", field, weight);
  return 1 + (weight - 10) * 9999 / 990;  // 10 … 1000 → 1 … 10000
}

Result<void> plan_io_weights(const oci::BlockIo& io, std::vector<Write>& out) {
  if (io.weight.value_or(0) != 0) {
    const std::string field = "linux.resources.blockIO.weight";
    TRY_ASSIGN(const std::uint64_t weight, io_weight(*io.weight, field));
    out.push_back({"io.weight", fmt::format("{}", weight), field, Missing::refuse, "io.bfq.weight", fmt::format("{}", *io.weight)});
  }
  for (std::size_t i = 0; i < io.weight_device.size(); ++i) {
    const oci::WeightDevice& d = io.weight_device[i];
    if (d.weight.value_or(0) == 0) continue;
    const std::string field = fmt::format("linux.resources.blockIO.weightDevice[{}].weight", i);
    TRY_ASSIGN(const std::uint64_t weight, io_weight(*d.weight, field));
    out.push_back({"io.weight", fmt::format("{}:{} {}", d.major, d.minor, weight), field, Missing::refuse, "io.bfq.weight",
                   fmt::format("{}:{} {}", d.major, d.minor, *d.weight)});
  }
  return {};
}

// io.max takes one device a write, and all of its limits with it.
void plan_io_limits(const oci::BlockIo& io, std::vector<Write>& out) {
  const std::pair<const char*, const std::vector<oci::ThrottleDevice>*> lists[] = {
      {"rbps", &io.throttle_read_bps_device},
      {"wbps", &io.throttle_write_bps_device},
      {"riops", &io.throttle_read_iops_device},
      {"wiops", &io.throttle_write_iops_device},
  };
  std::map<std::pair<std::int64_t, std::int64_t>, std::string> lines;
  for (const auto& [key, devices] : lists) {
    for (const oci::ThrottleDevice& d : *devices)
      lines[{d.major, d.minor}] += d.rate == 0 ? fmt::format(" {}=max", key) : fmt::format(" {}={}", key, d.rate);
  }
  for (const auto& [device, limits] : lines)
    out.push_back({"io.max", fmt::format("{}:{}{}", device.first, device.second, limits), "linux.resources.blockIO.throttle…Device"});
}

Result<void> plan_hugepages(const std::vector<oci::HugepageLimit>& limits, std::vector<Write>& out) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const std::string& size = limits[i].page_size;
    const std::string field = fmt::format("linux.resources.hugepageLimits[{}].limit", i);
    const std::size_t digits = std::min(size.find_first_not_of("0123456789"), size.size());
    const std::string_view unit = std::string_view(size).substr(digits);
    if (digits == 0 || size[0] == '0' || (unit != "KB" && unit != "MB" && unit != "GB"))
      return wrong("linux.resources.hugepageLimits[{}].pageSize: '{}' is not like '2MB'", i, size);
    const std::string value = limits[i].limit > INT64_MAX ? "max" : fmt::format("{}", limits[i].limit);
    // The kubelet sends a limit of 0 for every page size, also where there are no huge pages.
    const Missing missing = limits[i].limit == 0 || value == "max" ? Missing::ignore : Missing::refuse;
    out.push_back({fmt::format("hugetlb.{}.max", size), value, field, missing});
    out.push_back({fmt::format("hugetlb.{}.rsvd.max", size), value, field, Missing::ignore});  // since Linux 5.7
  }
  return {};
}

// One device a write; what is not said stays as it is.
Result<void> plan_rdma(const std::map<std::string, oci::RdmaLimit>& devices, std::vector<Write>& out) {
  for (const auto& [device, limit] : devices) {
    const std::string field = "linux.resources.rdma." + device;
    if (device.empty() || device.find_first_of(" \t\n") != std::string::npos)
      return wrong("linux.resources.rdma: '{}' is no device", device);
    if (!limit.hca_handles && !limit.hca_objects) return wrong("{}: has neither hcaHandles nor hcaObjects", field);
    std::string line = device;
    if (limit.hca_handles) line += fmt::format(" hca_handle={}", *limit.hca_handles);
    if (limit.hca_objects) line += fmt::format(" hca_object={}", *limit.hca_objects);
    out.push_back({"rdma.max", std::move(line), field});
  }
  return {};
}

Result<void> plan_unified(const std::map<std::string, std::string>& unified, std::vector<Write>& out) {
  for (const auto& [file, value] : unified) {
    const std::string field = "linux.resources.unified." + file;
    if (file.find('/') != std::string::npos || file.find('.') == std::string::npos || file.starts_with('.'))
      return wrong("linux.resources.unified: '{}' is not the name of a cgroup file", file);
    // These are commands, not limits: they would move, kill or stop processes.
    if (file == "cgroup.procs" || file == "cgroup.threads" || file == "cgroup.kill" || file == "cgroup.freeze")
      return wrong("{}: is not a limit", field);
    // A file of several devices takes them one a write.
    for (std::string_view rest = value; !rest.empty();)
      if (const std::string_view line = cut(rest, '\n'); !line.empty()) out.push_back({file, std::string(line), field});
  }
  return {};
}

}  // namespace

std::uint64_t weight_from_shares(std::uint64_t shares) {
  const double l = std::log2(static_cast<double>(std::clamp(shares, kLeastShares, kMostShares)));
  const double exponent = (l * l + 125 * l) / 612.0 - 7.0 / 34.0;
  return static_cast<std::uint64_t>(std::ceil(std::pow(10, exponent)));
}

std::int64_t tasks_limit(std::int64_t pids_limit) {
  return pids_limit == 0 ? 1 : pids_limit;
}

Result<std::vector<Write>> plan_writes(const oci::Resources& resources) {
  std::vector<Write> out;
  if (resources.cpu) TRY(plan_cpu(*resources.cpu, out));
  if (resources.memory) TRY(plan_memory(*resources.memory, out));
  if (resources.pids_limit) {
    TRY(check_limit(*resources.pids_limit, "linux.resources.pids.limit"));
    out.push_back(limit("pids.max", tasks_limit(*resources.pids_limit), "linux.resources.pids.limit"));
  }
  if (resources.block_io) {
    TRY(plan_io_weights(*resources.block_io, out));
    plan_io_limits(*resources.block_io, out);
  }
  TRY(plan_hugepages(resources.hugepage_limits, out));
  TRY(plan_rdma(resources.rdma, out));
  TRY(plan_unified(resources.unified, out));
  return out;
}

}  // namespace slipway::cgroups
