// Threads' stat files, prlimit(2).
#include "engine/process_facts.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <string>

#include "base/format.h"
#include "sys/file.h"
#include "sys/process_stat.h"

namespace slipway::engine {
namespace {

constexpr std::size_t kMostThreads = 10'000;
constexpr std::size_t kMaxStat = 4096;

void count(std::string_view state, TaskStates& out) {
  switch (state.empty() ? '\0' : state.front()) {
    case 'R': ++out.running; break;
    case 'S':
    case 'I': ++out.sleeping; break;
    case 'D': ++out.uninterruptible; break;
    case 'T':
    case 't': ++out.stopped; break;
    default: break;  // a zombie is no task any more
  }
}

}  // namespace

TaskStates count_task_states(const std::vector<pid_t>& pids) {
  TaskStates out;
  std::size_t looked = 0;
  for (const pid_t pid : pids) {
    const auto dir = sys::open_path(fmt::format("/proc/{}/task", pid), O_RDONLY | O_DIRECTORY);
    if (!dir.ok()) continue;
    const auto threads = sys::list_directory(dir.value());
    if (!threads.ok()) continue;
    for (const std::string& thread : threads.value()) {
      if (++looked > kMostThreads) return out;
      const auto stat = sys::read_file(fmt::format("/proc/{}/task/{}/stat", pid, thread), kMaxStat);
      if (stat.ok()) count(sys::stat_field(stat.value(), 3), out);
    }
  }
  return out;
}

std::optional<std::uint64_t> open_files_limit(pid_t pid) {
  rlimit limit{};
  if (pid <= 0 || ::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) != 0) return std::nullopt;
  return limit.rlim_cur;
}

}  // namespace slipway::engine
