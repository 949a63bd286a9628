// slipway kill: a signal to the container's first process, or to all of them.
#include <signal.h>

#include "cgroups/cgroup.h"
#include "runtime/command/command.h"
#include "runtime/signals.h"
#include "sys/process.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {{"all", "a", false}};

Result<void> signal_all(const ContainerRecord& record, int signal) {
  TRY_ASSIGN(const cgroups::Cgroup cgroup, open_cgroup(record));
  if (signal == SIGKILL) return cgroup.kill();
  TRY_ASSIGN(const auto pids, cgroup.processes_below());
  for (const pid_t pid : pids) {
    const auto pidfd = sys::pidfd_open(pid);
    if (!pidfd.ok()) continue;  // ended meanwhile
    // Only now, with the process held, is it certain that the number is still one of this cgroup.
    const auto path = cgroups::path_of(pid);
    if (path.ok() && path.value().starts_with(record.cgroup)) TRY(sys::pidfd_send_signal(pidfd.value(), signal));
  }
  return {};
}

}  // namespace

Result<int> kill_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, false));
  TRY_ASSIGN(const std::string id, container_id(arguments, 2));
  TRY_ASSIGN(const int signal, parse_signal(arguments.positional.size() > 1 ? arguments.positional[1] : "TERM"));
  TRY_ASSIGN(const Found found, find_container(global, id));
  if (arguments.has("all")) {
    TRY(signal_all(found.record, signal));
    return 0;
  }
  TRY_ASSIGN(const auto process, open_process(found.record));
  // The words that callers of runc look for.
  if (!process) return fail(Code::failed_precondition, "container '{}': container not running", id);
  TRY(sys::pidfd_send_signal(*process, signal));
  return 0;
}

}  // namespace slipway::runtime::command
