// Parsing the kernel's flat-keyed, nested-keyed and pressure files (Documentation/admin-guide/cgroup-v2.rst).
#include "cgroups/stats.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"

namespace slipway::cgroups {
namespace {

Result<std::uint64_t> number_of(std::string_view text) {
  const auto number = to_number<std::uint64_t>(text);
  if (!number) return fail(Code::internal, "'{}' is not a number", text.substr(0, 64));
  return *number;
}

struct Field {
  std::string_view key;
  std::uint64_t* value;
};

// "key number" lines; keys that are not asked for are newer kernels' and are skipped.
Result<void> read_flat(std::string_view text, std::initializer_list<Field> fields) {
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    const std::string_view key = cut(line, ' ');
    const auto* field = std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.key == key; });
    if (field == fields.end()) continue;
    TRY_ASSIGN(*field->value, number_of(line));
  }
  return {};
}

// "12.34", of percent: two digits, so that integers do.
Result<double> to_percent(std::string_view text) {
  std::string_view whole = cut(text, '.');
  TRY_ASSIGN(const std::uint64_t integer, number_of(whole));
  if (text.size() != 2) return fail(Code::internal, "'{}' is not a percentage", whole);
  TRY_ASSIGN(const std::uint64_t hundredths, number_of(text));
  return static_cast<double>(integer) + static_cast<double>(hundredths) / 100;
}

Result<PressureLine> read_pressure_line(std::string_view line) {
  PressureLine out;
  while (!line.empty()) {
    std::string_view value = cut(line, ' ');
    const std::string_view key = cut(value, '=');
    if (key == "avg10") {
      TRY_ASSIGN(out.avg10, to_percent(value));
    } else if (key == "avg60") {
      TRY_ASSIGN(out.avg60, to_percent(value));
    } else if (key == "avg300") {
      TRY_ASSIGN(out.avg300, to_percent(value));
    } else if (key == "total") {
      TRY_ASSIGN(out.total_usec, number_of(value));
    }
  }
  return out;
}

}  // namespace

Result<CpuStat> parse_cpu_stat(std::string_view text) {
  CpuStat out;
  TRY(read_flat(text, {{"usage_usec", &out.usage_usec},
                       {"user_usec", &out.user_usec},
                       {"system_usec", &out.system_usec},
                       {"nr_periods", &out.nr_periods},
                       {"nr_throttled", &out.nr_throttled},
                       {"throttled_usec", &out.throttled_usec}}));
  return out;
}

Result<MemoryStat> parse_memory_stat(std::string_view text) {
  MemoryStat out;
  TRY(read_flat(text, {{"anon", &out.anon},
                       {"file", &out.file},
                       {"kernel", &out.kernel},
                       {"kernel_stack", &out.kernel_stack},
                       {"sock", &out.sock},
                       {"shmem", &out.shmem},
                       {"file_mapped", &out.file_mapped},
                       {"slab", &out.slab},
                       {"active_file", &out.active_file},
                       {"inactive_file", &out.inactive_file},
                       {"pgfault", &out.pgfault},
                       {"pgmajfault", &out.pgmajfault}}));
  return out;
}

Result<MemoryEvents> parse_memory_events(std::string_view text) {
  MemoryEvents out;
  TRY(read_flat(text, {{"low", &out.low},
                       {"high", &out.high},
                       {"max", &out.max},
                       {"oom", &out.oom},
                       {"oom_kill", &out.oom_kill},
                       {"oom_group_kill", &out.oom_group_kill}}));
  return out;
}

Result<std::uint64_t> parse_hugetlb_failures(std::string_view text) {
  std::uint64_t out = 0;
  TRY(read_flat(text, {{"max", &out}}));
  return out;
}

Result<std::vector<IoDevice>> parse_io_stat(std::string_view text) {
  std::vector<IoDevice> out;
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    if (line.empty()) continue;
    std::string_view device = cut(line, ' ');
    const std::string_view major = cut(device, ':');
    // Some kernels print a device without counters, its line left open: "253:0 253:16 rbytes=…". The last one has them.
    IoDevice entry;
    TRY_ASSIGN(const std::uint64_t major_number, number_of(major));
    TRY_ASSIGN(const std::uint64_t minor_number, number_of(device));
    entry.major = static_cast<std::uint32_t>(major_number);
    entry.minor = static_cast<std::uint32_t>(minor_number);
    bool counted = false;
    while (!line.empty()) {
      std::string_view value = cut(line, ' ');
      if (value.empty()) continue;
      if (value.find('=') == std::string_view::npos) {
        const std::string_view next_major = cut(value, ':');
        TRY_ASSIGN(const std::uint64_t a, number_of(next_major));
        TRY_ASSIGN(const std::uint64_t b, number_of(value));
        entry = IoDevice{};
        entry.major = static_cast<std::uint32_t>(a);
        entry.minor = static_cast<std::uint32_t>(b);
        continue;
      }
      const std::string_view key = cut(value, '=');
      const std::pair<std::string_view, std::uint64_t*> fields[] = {{"rbytes", &entry.rbytes}, {"wbytes", &entry.wbytes},
                                                                    {"rios", &entry.rios},     {"wios", &entry.wios},
                                                                    {"dbytes", &entry.dbytes}, {"dios", &entry.dios}};
      for (const auto& [name, field] : fields) {
        if (name != key) continue;
        TRY_ASSIGN(*field, number_of(value));
        counted = true;
      }
    }
    if (counted) out.push_back(entry);
  }
  return out;
}

Result<Pressure> parse_pressure(std::string_view text) {
  Pressure out;
  bool some = false;
  while (!text.empty()) {
    std::string_view line = cut(text, '\n');
    const std::string_view kind = cut(line, ' ');
    if (kind == "some") {
      TRY_ASSIGN(out.some, read_pressure_line(line));
      some = true;
    } else if (kind == "full") {
      TRY_ASSIGN(out.full, read_pressure_line(line));
    }
  }
  if (!some) return fail(Code::internal, "a pressure file without a 'some' line");
  return out;
}

Result<std::uint64_t> parse_number_or_max(std::string_view text) {
  text = trim(text, " \n");
  if (text == "max") return kNoLimit;
  return number_of(text);
}

}  // namespace slipway::cgroups
