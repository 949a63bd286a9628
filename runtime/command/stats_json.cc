// The members of runc's statistics from cgroup v2's files.
#include "runtime/command/stats_json.h"

#include "base/format.h"

#include <algorithm>
#include <charconv>

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

// "name number" a line; what is of another form is left out.
std::string raw(std::string_view memory_stat) {
  std::string out;
  while (!memory_stat.empty()) {
    const std::string_view line = memory_stat.substr(0, memory_stat.find('\n'));
    memory_stat.remove_prefix(std::min(memory_stat.size(), line.size() + 1));
    const std::string_view name = line.substr(0, line.find(' '));
    const std::string_view text = line.substr(std::min(line.size(), name.size() + 1));
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (name.empty() || error != std::errc{} || end != text.data() + text.size()) continue;
    out += fmt::format(R"({}"{}":{})", out.empty() ? "" : ",", name, number);
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
  out += fmt::format(R"(,"swap":{{"limit":{},"usage":{},"failcnt":0}},"kernel":{{"usage":{},"failcnt":0}})",
                     bounded ? m.max + swap_max : cgroups::kNoLimit, m.current + swap, m.stat.kernel);
  out += R"(,"kernelTCP":{"failcnt":0},"raw":{)" + raw(memory_stat) + "}";
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

std::string stats_json(const cgroups::Stats& stats, std::string_view memory_stat) {
  std::string out = "{" + cpu(stats);
  if (stats.memory) out += memory(*stats.memory, stats.memory_pressure, memory_stat);
  if (stats.pids)
    out += fmt::format(R"(,"pids":{{"current":{},"limit":{}}})", stats.pids->current,
                       stats.pids->max == cgroups::kNoLimit ? 0 : stats.pids->max);
  out += io(stats) + ",\"hugetlb\":{";
  for (std::size_t i = 0; i < stats.hugetlb.size(); ++i)
    out += fmt::format(R"({}"{}":{{"usage":{},"failcnt":0}})", i == 0 ? "" : ",", stats.hugetlb[i].page_size, stats.hugetlb[i].current);
  return out + R"(},"intel_rdt":{},"network_interfaces":null})";
}

}  // namespace slipway::runtime::command
