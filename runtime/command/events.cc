// slipway events: a container's statistics at intervals and its out-of-memory kills, a JSON object a line.
#include <poll.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "base/time.h"
#include "oci/json.h"
#include "oci/parse.h"
#include "runtime/command/command.h"
#include "runtime/command/rdt_json.h"
#include "runtime/command/stats_json.h"
#include "runtime/intel_rdt.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {{"interval", "", true}, {"stats", "", false}};

// "5s", "500ms", "1.5s", "1m30s": Go's durations, in whole milliseconds.
Result<int> parse_interval(const std::string& text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\u00b5s", 1e-3}, {"\u03bcs", 1e-3},
                                                            {"ms", 1},    {"s", 1000},  {"m", 60'000},     {"h", 3'600'000}};
  double sum = 0;
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p != end) {
    double number = 0;
    const auto [next, error] = std::from_chars(p, end, number, std::chars_format::fixed);
    std::string_view rest(next, static_cast<std::size_t>(end - next));
    double unit = 0;
    for (const auto& [name, ms] : kUnits) {
      if (unit != 0 || !rest.starts_with(name)) continue;
      unit = ms;
      rest.remove_prefix(name.size());
    }
    if (error != std::errc{} || unit == 0 || !(number >= 0 && number <= 1e15))
      return fail(Code::invalid_argument, "--interval: '{}' is not like '5s'", text);
    sum += number * unit;
    p = rest.data();
  }
  if (sum <= 0 || sum > 86'400'000) return fail(Code::invalid_argument, "--interval: '{}' is not more than nothing and up to 24h", text);
  return static_cast<int>(std::ceil(sum));
}

void print_event(std::string_view type, const std::string& id, const std::string& data) {
  std::string line = "{\"type\":\"" + std::string(type) + "\",\"id\":";
  oci::json::append_quoted(line, id);
  if (!data.empty()) line += ",\"data\":" + data;
  print(line + "}\n");
}

struct Watched {
  std::string id;
  cgroups::Cgroup cgroup;
  std::optional<oci::IntelRdt> rdt;
};

// Absent with its controller.
std::string text_of(const Watched& watched, const char* file) {
  auto text = sys::read_file_at(watched.cgroup.dir(), file, 64 << 10);
  return text.ok() ? std::move(text).take() : std::string();
}

Result<void> print_stats(const Watched& watched) {
  TRY_ASSIGN(const cgroups::Stats stats, watched.cgroup.stats());
  RawStats more;
  more.memory_stat = text_of(watched, "memory.stat");
  more.cpus = text_of(watched, "cpuset.cpus.effective");
  more.mems = text_of(watched, "cpuset.mems.effective");
  if (watched.rdt) {
    TRY_ASSIGN(const Resctrl resctrl, find_resctrl());
    TRY_ASSIGN(more.intel_rdt, rdt_json(resctrl, rdt_group_of(resctrl, *watched.rdt, watched.id)).context("linux.intelRdt"));
  }
  print_event("stats", watched.id, stats_json(stats, more));
  return {};
}

// Until the container's first process has ended.
Result<void> watch(const Watched& watched, FdRef process, int interval) {
  auto events = watched.cgroup.open_memory_events();
  if (!events.ok() && events.error().code != Code::not_found) return std::move(events).error();
  const int memory = events.ok() ? events.value().get() : -1;  // off with its controller: then nobody is killed for it
  std::uint64_t kills = 0;
  if (memory >= 0) {
    TRY_ASSIGN(const cgroups::MemoryEvents now, cgroups::read_memory_events(FdRef(memory)));
    kills = now.oom_kill;
  }
  MonotonicNanos due = now_monotonic();
  for (;;) {
    if (now_monotonic() >= due) {
      TRY(print_stats(watched));
      due = now_monotonic() + MonotonicNanos{interval} * 1'000'000;
    }
    pollfd fds[2] = {{process.get(), POLLIN, 0}, {memory, POLLPRI, 0}};
    const auto left = static_cast<int>((due - now_monotonic()) / 1'000'000 + 1);
    if (::poll(fds, 2, left) < 0 && errno != EINTR) return fail_errno(errno, "poll");
    if (fds[1].revents != 0) {
      TRY_ASSIGN(const cgroups::MemoryEvents now, cgroups::read_memory_events(FdRef(memory)));
      for (; kills < now.oom_kill; ++kills) print_event("oom", watched.id, "");
    }
    if (fds[0].revents != 0) return {};
  }
}

}  // namespace

Result<int> events_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, false));
  TRY_ASSIGN(const std::string id, container_id(arguments));
  TRY_ASSIGN(const int interval, parse_interval(arguments.value("interval", "5s")));
  TRY_ASSIGN(const Found found, find_container(global, id));
  TRY_ASSIGN(const auto process, open_process(found.record));
  if (!process) return fail(Code::failed_precondition, "container '{}': container not running", id);
  TRY_ASSIGN(cgroups::Cgroup cgroup, open_cgroup(found.record));
  TRY_ASSIGN(const std::string config, found.dir.read_config());
  TRY_ASSIGN(const oci::Spec spec, oci::parse_spec(config).context("config.json"));
  const Watched watched{id, std::move(cgroup), spec.linux_.intel_rdt};
  TRY(arguments.has("stats") ? print_stats(watched) : watch(watched, *process, interval));
  return 0;
}

}  // namespace slipway::runtime::command
