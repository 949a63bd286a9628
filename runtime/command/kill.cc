// slipway kill: a signal to the container's first process, or to all of them.
#include <signal.h>

#include "runtime/command/command.h"
#include "runtime/command/many.h"
#include "runtime/signals.h"
#include "sys/process.h"

namespace slipway::runtime::command {
namespace {

constexpr Option kOptions[] = {{"all", "a", false}, {"regex", "r", false}};

Result<void> signal_all(const ContainerRecord& record, int signal) {
  TRY_ASSIGN(const cgroups::Cgroup cgroup, open_cgroup(record));
  if (signal == SIGKILL) TRY(cgroup.kill());  // at once; then whom it does not reach
  return cgroup.signal_each(signal);
}

// Signal 0 asks only whether somebody is there, kill(2).
Result<int> signal_of(const Arguments& arguments) {
  const std::string text = arguments.positional.size() > 1 ? arguments.positional[1] : "TERM";
  if (text == "0") return 0;
  return parse_signal(text);
}

Result<void> kill_one(const Global& global, const std::string& id, int signal, bool all) {
  TRY_ASSIGN(const Found found, find_container(global, id));
  if (all) return signal_all(found.record, signal);
  TRY_ASSIGN(const auto process, open_process(found.record));
  // The words that callers of runc look for.
  if (!process) return fail(Code::failed_precondition, "container '{}': container not running", id);
  return sys::pidfd_send_signal(*process, signal);
}

}  // namespace

Result<int> kill_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kOptions, false));
  TRY_ASSIGN(const std::string id, container_id(arguments, 2));
  TRY_ASSIGN(const int signal, signal_of(arguments));
  const bool all = arguments.has("all");
  if (arguments.has("regex")) {
    TRY(for_each_matching(global, id, [&](const std::string& each) { return kill_one(global, each, signal, all); }));
  } else {
    TRY(kill_one(global, id, signal, all));
  }
  return 0;
}

}  // namespace slipway::runtime::command
