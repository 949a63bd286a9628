// The members of runc's statistics from cgroup v2's files.
#include "runtime/command/stats_json.h"

#include <charconv>

#include "base/format.h"
#include "base/text.h"

namespace slipway::runtime::command {
namespace {

std::string pressure_line(const cgroups::PressureLine& line) {
  return fmt::format(R"({{"avg10":{},"avg60":{},"avg300":{},"total":{}}})", line.avg10, line.avg60, line.avg300, line.total_usec);
}

std::string pressure(const std::optional<cgroups::Pressure>& p) {
  if (!p) return "";
  std::string out = ",\"psi\":{\"some\":" + pressure_line(p->some);
  if (p->full) out += ",\"full\":" + pressure_line(*p->full);
  return out + "}";
}

std::string cpu(const cgroups::Stats& stats) {
  const cgroups::CpuStat& c = stats.cpu;
  return fmt::format(R"("cpu":{{"usage":{{"total":{},"kernel":{},"user":{}}},)"
                     R"("throttling":{{"periods":{},"throttledPeriods":{},"throttledTime":{}}}{}}})",
                     c.usage_usec * 1000, c.system_usec * 1000, c.user_usec * 1000, c.nr_periods, c.nr_throttled, c.throttled_usec * 1000,
                     pressure(stats.cpu_pressure));
}

// "0-2,7" as [0,1,2,7].
std::string numbers(std::string_view list) {
  constexpr unsigned kMost = UINT16_MAX;
  std::string out;
  while (!list.empty()) {
    const std::string_view range = cut(list, ',');
    unsigned first = 0;
    const auto [end, error] = std::from_chars(range.data(), range.data() + range.size(), first);
    unsigned last = first;
    if (error == std::errc{} && end != range.data() + range.size() && *end == '-')
      (void)std::from_chars(end + 1, range.data() + range.size(), last);
    if (error != std::errc{} || last > kMost) continue;
    for (unsigned i = first; i <= last; ++i) out += fmt::format("{}{}", out.empty() ? "" : ",", i);
  }
  return out;
}

// The switches are of version 1: here they are off, as runc tells.
std::string cpuset(const RawStats& raw) {
  std::string out = R"(,"cpuset":{)";
  if (const std::string cpus = numbers(raw.cpus); !cpus.empty()) out += "\"cpus\":[" + cpus + "],";
  out += R"("cpu_exclusive":0,)";
  if (const std::string mems = numbers(raw.mems); !mems.empty()) out += "\"mems\":[" + mems + "],";
  return out + R"("mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,)"
               R"("memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0})";
}

// "name number" a line; what is of another form is left out.
std::string raw(std::string_view memory_stat) {
  std::string out;
  while (!memory_stat.empty()) {
    std::string_view text = cut(memory_stat, '\n');
    const std::string_view name = cut(text, ' ');
    const auto number = to_number<std::uint64_t>(text);
    if (name.empty() || !number) continue;
    out += fmt::format(R"({}"{}":{})", out.empty() ? "" : ",", name, *number);
  }
  return out;
}

std::string memory(const cgroups::Memory& m, const std::optional<cgroups::Pressure>& psi, std::string_view memory_stat) {
  std::string out = fmt::format(R"(,"memory":{{"cache":{},"usage":{{"limit":{},"usage":{},"max":{},"failcnt":{}}})", m.stat.file, m.max,
                                m.current, m.peak, m.events.max);
  // As in version 1: memory and swap together.
  const std::uint64_t swap = m.swap_current.value_or(0);
  const std::uint64_t swap_max = m.swap_max.value_or(0);
  const bool bounded = m.max != cgroups::kNoLimit && swap_max != cgroups::kNoLimit;
  out += fmt::format(R"(,"swap":{{"limit":{},"usage":{},"failcnt":0}},"kernel":{{"limit":0,"usage":{},"failcnt":0}})",
                     bounded ? m.max + swap_max : cgroups::kNoLimit, m.current + swap, m.stat.kernel);
  out += R"(,"kernelTCP":{"limit":0,"failcnt":0},"raw":{)" + raw(memory_stat) + "}";
  return out + pressure(psi) + "}";
}

void entry(std::string& list, const cgroups::IoDevice& d, std::string_view op, std::uint64_t value) {
  list += fmt::format(R"({}{{"major":{},"minor":{},"op":"{}","value":{}}})", list.empty() ? "" : ",", d.major, d.minor, op, value);
}

std::string io(const cgroups::Stats& stats) {
  std::string bytes;
  std::string operations;
  for (const cgroups::IoDevice& d : stats.io) {
    entry(bytes, d, "Read", d.rbytes);
    entry(bytes, d, "Write", d.wbytes);
    entry(operations, d, "Read", d.rios);
    entry(operations, d, "Write", d.wios);
  }
  return fmt::format(R"(,"blkio":{{"ioServiceBytesRecursive":[{}],"ioServicedRecursive":[{}]{}}})", bytes, operations,
                     pressure(stats.io_pressure));
}

}  // namespace

std::string stats_json(const cgroups::Stats& stats, const RawStats& more) {
  std::string out = "{" + cpu(stats) + cpuset(more);
  if (stats.memory) out += memory(*stats.memory, stats.memory_pressure, more.memory_stat);
  if (stats.pids)
    out += fmt::format(R"(,"pids":{{"current":{},"limit":{}}})", stats.pids->current,
                       stats.pids->max == cgroups::kNoLimit ? 0 : stats.pids->max);
  out += io(stats) + ",\"hugetlb\":{";
  for (std::size_t i = 0; i < stats.hugetlb.size(); ++i)
    out += fmt::format(R"({}"{}":{{"usage":{},"failcnt":0}})", i == 0 ? "" : ",", stats.hugetlb[i].page_size, stats.hugetlb[i].current);
  return out + "},\"intel_rdt\":" + more.intel_rdt + ",\"network_interfaces\":null}";
}

}  // namespace slipway::runtime::command
