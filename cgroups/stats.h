// What the files of a cgroup tell, as values; the parsers are pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::cgroups {

struct CpuStat {
  std::uint64_t usage_usec = 0;
  std::uint64_t user_usec = 0;
  std::uint64_t system_usec = 0;
  std::uint64_t nr_periods = 0;  // 0 where the cpu controller is off
  std::uint64_t nr_throttled = 0;
  std::uint64_t throttled_usec = 0;
};

struct MemoryStat {  // bytes, of memory.stat; faults are counts
  std::uint64_t anon = 0;
  std::uint64_t file = 0;
  std::uint64_t kernel = 0;
  std::uint64_t kernel_stack = 0;
  std::uint64_t sock = 0;
  std::uint64_t shmem = 0;
  std::uint64_t file_mapped = 0;
  std::uint64_t slab = 0;
  std::uint64_t active_file = 0;
  std::uint64_t inactive_file = 0;
  std::uint64_t pgfault = 0;
  std::uint64_t pgmajfault = 0;
};

struct MemoryEvents {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::uint64_t max = 0;
  std::uint64_t oom = 0;
  std::uint64_t oom_kill = 0;
  std::uint64_t oom_group_kill = 0;
};

inline constexpr std::uint64_t kNoLimit = UINT64_MAX;  // "max"

struct Memory {
  std::uint64_t current = 0;
  std::uint64_t max = kNoLimit;
  std::uint64_t min = 0;   // what is reserved: memory.min
  std::uint64_t peak = 0;  // 0 before Linux 5.19
  std::optional<std::uint64_t> swap_current;
  std::optional<std::uint64_t> swap_max;
  MemoryStat stat;
  MemoryEvents events;
  // What the kubelet calls the working set: usage without the file cache that could go at once.
  std::uint64_t working_set() const { return current > stat.inactive_file ? current - stat.inactive_file : 0; }
};

struct Pids {
  std::uint64_t current = 0;
  std::uint64_t max = kNoLimit;
};

struct IoDevice {
  std::string name;  // "/dev/vda"; empty where the device has gone
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::uint64_t rbytes = 0;
  std::uint64_t wbytes = 0;
  std::uint64_t rios = 0;
  std::uint64_t wios = 0;
  std::uint64_t dbytes = 0;
  std::uint64_t dios = 0;
};

struct PressureLine {
  double avg10 = 0;  // percent
  double avg60 = 0;
  double avg300 = 0;
  std::uint64_t total_usec = 0;
};

struct Pressure {
  PressureLine some;
  std::optional<PressureLine> full;  // cpu has one since Linux 5.13
};

struct Hugetlb {
  std::string page_size;  // "2MB"
  std::uint64_t current = 0;
  std::uint64_t max = kNoLimit;
  std::uint64_t failures = 0;  // how often an allocation met the limit
};

// A part is absent where its controller is off.
struct Stats {
  CpuStat cpu;
  std::optional<Memory> memory;
  std::optional<Pids> pids;
  std::vector<IoDevice> io;
  std::vector<Hugetlb> hugetlb;
  std::optional<Pressure> cpu_pressure;
  std::optional<Pressure> memory_pressure;
  std::optional<Pressure> io_pressure;
};

Result<CpuStat> parse_cpu_stat(std::string_view text);
Result<MemoryStat> parse_memory_stat(std::string_view text);
Result<std::uint64_t> parse_hugetlb_failures(std::string_view text);  // of hugetlb.SIZE.events
Result<MemoryEvents> parse_memory_events(std::string_view text);
Result<std::vector<IoDevice>> parse_io_stat(std::string_view text);
Result<Pressure> parse_pressure(std::string_view text);
Result<std::uint64_t> parse_number_or_max(std::string_view text);  // "max" = kNoLimit

}  // namespace slipway::cgroups
