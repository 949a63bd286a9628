// A cgroup's files read into Stats. A file that is not there means that its controller is off.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "cgroups/cgroup.h"
#include "cgroups/files.h"
#include "sys/file.h"

namespace slipway::cgroups {
namespace {

// nullopt where there is no such file, or the kernel was built or booted without it (EOPNOTSUPP of the pressure files).
Result<std::optional<std::string>> read_if_there(FdRef dir, const char* file) {
  auto text = sys::read_file_at(dir, file, kSmallFile);
  if (text.ok()) return std::optional<std::string>(std::move(text).take());
  if (text.error().sys_errno == ENOENT || text.error().sys_errno == EOPNOTSUPP) return std::optional<std::string>();
  return std::move(text).error();
}

Result<std::optional<std::uint64_t>> read_number(FdRef dir, const char* file) {
  TRY_ASSIGN(const std::optional<std::string> text, read_if_there(dir, file));
  if (!text) return std::optional<std::uint64_t>();
  auto number = parse_number_or_max(*text);
  if (!number.ok()) return std::move(number).error().within("{}", file);
  return std::optional<std::uint64_t>(number.value());
}

Result<std::optional<Pressure>> read_pressure(FdRef dir, const char* file) {
  TRY_ASSIGN(const std::optional<std::string> text, read_if_there(dir, file));
  if (!text || text->empty()) return std::optional<Pressure>();
  auto pressure = parse_pressure(*text);
  if (!pressure.ok()) return std::move(pressure).error().within("{}", file);
  return std::optional<Pressure>(pressure.value());
}

Result<std::optional<Memory>> read_memory(FdRef dir) {
  TRY_ASSIGN(const std::optional<std::uint64_t> current, read_number(dir, "memory.current"));
  if (!current) return std::optional<Memory>();
  Memory out;
  out.current = *current;
  TRY_ASSIGN(const std::optional<std::uint64_t> max, read_number(dir, "memory.max"));
  out.max = max.value_or(kNoLimit);
  TRY_ASSIGN(const std::optional<std::uint64_t> min, read_number(dir, "memory.min"));
  out.min = min.value_or(0);
  TRY_ASSIGN(const std::optional<std::uint64_t> peak, read_number(dir, "memory.peak"));
  out.peak = peak.value_or(0);
  TRY_ASSIGN(out.swap_current, read_number(dir, "memory.swap.current"));
  TRY_ASSIGN(out.swap_max, read_number(dir, "memory.swap.max"));
  TRY_ASSIGN(const std::optional<std::string> stat, read_if_there(dir, "memory.stat"));
  TRY_ASSIGN(out.stat, parse_memory_stat(stat.value_or("")));
  TRY_ASSIGN(const std::optional<std::string> events, read_if_there(dir, "memory.events"));
  TRY_ASSIGN(out.events, parse_memory_events(events.value_or("")));
  return std::optional<Memory>(out);
}

Result<std::optional<Pids>> read_pids(FdRef dir) {
  TRY_ASSIGN(const std::optional<std::uint64_t> current, read_number(dir, "pids.current"));
  if (!current) return std::optional<Pids>();
  TRY_ASSIGN(const std::optional<std::uint64_t> max, read_number(dir, "pids.max"));
  return std::optional<Pids>(Pids{*current, max.value_or(kNoLimit)});
}

// "hugetlb.2MB.current" → "2MB"; "hugetlb.2MB.rsvd.current" is something else.
std::string page_size_of(std::string_view file) {
  constexpr std::string_view kPrefix = "hugetlb.";
  constexpr std::string_view kSuffix = ".current";
  if (!file.starts_with(kPrefix) || !file.ends_with(kSuffix) || file.size() <= kPrefix.size() + kSuffix.size()) return {};
  const std::string_view middle = file.substr(kPrefix.size(), file.size() - kPrefix.size() - kSuffix.size());
  return middle.find('.') == std::string_view::npos ? std::string(middle) : std::string();
}

Result<std::vector<Hugetlb>> read_hugetlb(FdRef dir) {
  std::vector<Hugetlb> out;
  TRY_ASSIGN(const UniqueFd own, sys::open_at(dir, ".", O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(std::vector<std::string> names, sys::list_directory(own));
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    Hugetlb one;
    one.page_size = page_size_of(name);
    if (one.page_size.empty()) continue;
    TRY_ASSIGN(const std::optional<std::uint64_t> current, read_number(dir, name.c_str()));
    TRY_ASSIGN(const std::optional<std::uint64_t> max, read_number(dir, ("hugetlb." + one.page_size + ".max").c_str()));
    one.current = current.value_or(0);
    one.max = max.value_or(kNoLimit);
    TRY_ASSIGN(const std::optional<std::string> events, read_if_there(dir, ("hugetlb." + one.page_size + ".events").c_str()));
    TRY_ASSIGN(one.failures, parse_hugetlb_failures(events.value_or("")));
    out.push_back(std::move(one));
  }
  return out;
}

// The kernel's own name of a block device, which is that of its node.
std::string device_name(std::uint32_t major, std::uint32_t minor) {
  char target[256];
  const ssize_t n = ::readlink(fmt::format("/sys/dev/block/{}:{}", major, minor).c_str(), target, sizeof target);
  if (n <= 0 || static_cast<std::size_t>(n) == sizeof target) return {};
  const std::string_view path(target, static_cast<std::size_t>(n));
  return "/dev/" + std::string(path.substr(path.rfind('/') + 1));
}

Result<Stats> read_stats(FdRef dir) {
  Stats out;
  TRY_ASSIGN(const std::optional<std::string> cpu, read_if_there(dir, "cpu.stat"));
  TRY_ASSIGN(out.cpu, parse_cpu_stat(cpu.value_or("")));
  TRY_ASSIGN(out.memory, read_memory(dir));
  TRY_ASSIGN(out.pids, read_pids(dir));
  TRY_ASSIGN(const std::optional<std::string> io, read_if_there(dir, "io.stat"));
  TRY_ASSIGN(out.io, parse_io_stat(io.value_or("")));
  for (IoDevice& device : out.io) device.name = device_name(device.major, device.minor);
  TRY_ASSIGN(out.hugetlb, read_hugetlb(dir));
  TRY_ASSIGN(out.cpu_pressure, read_pressure(dir, "cpu.pressure"));
  TRY_ASSIGN(out.memory_pressure, read_pressure(dir, "memory.pressure"));
  TRY_ASSIGN(out.io_pressure, read_pressure(dir, "io.pressure"));
  return out;
}

}  // namespace

Result<Stats> Cgroup::stats() const {
  return read_stats(dir_).context("{}", path_);
}

Result<std::uint64_t> Cgroup::oom_kills() const {
  TRY_ASSIGN(const std::optional<std::string> text, read_if_there(dir_, "memory.events"));
  TRY_ASSIGN(const MemoryEvents events, parse_memory_events(text.value_or("")));
  return events.oom_kill;
}

Result<UniqueFd> Cgroup::open_memory_events() const {
  return sys::open_at(dir_, "memory.events", O_RDONLY);
}

Result<MemoryEvents> read_memory_events(FdRef fd) {
  TRY_ASSIGN(const std::string text, reread(fd));
  return parse_memory_events(text);
}

}  // namespace slipway::cgroups
