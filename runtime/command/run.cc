// slipway run: create and start in one, in the foreground or detached.
#include <signal.h>

#include "base/log.h"
#include "runtime/command/console.h"
#include "runtime/command/make.h"

namespace slipway::runtime::command {
namespace {

// The state went with the container even if the program failed; what could not be removed is said, the exit status stays.
void clean_up(const Made& made) {
  auto removed = remove_ended(made.dir, made.record);
  if (!removed.ok()) log::warn("{}", removed.error().message);
}

// Without hooks nobody waits: the program is executed as soon as init is ready.
Result<void> begin(const Made& made) {
  if (made.waits) return start_container(made.dir, made.record);
  auto executed = await_exec(made.created.sync, made.created.pid, made.created.pidfd);
  if (executed.ok()) return {};
  return std::move(executed).error().within("exec '{}'", made.program);
}

}  // namespace

Result<int> run_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, kMakeOptions, false));
  TRY_ASSIGN(MakeOptions options, make_options(arguments));
  options.wait_for_start = false;
  const bool detach = arguments.has("detach");
  if (!detach) TRY(block_signals());
  TRY_ASSIGN(const Made made, make_container(global, options, !detach));
  auto executed = begin(made);
  if (!executed.ok()) {
    (void)sys::pidfd_send_signal(made.created.pidfd, SIGKILL);
    (void)sys::wait_pidfd(made.created.pidfd);
    clean_up(made);
    return std::move(executed).error();
  }
  if (detach) return 0;
  made.dir.unlock();  // while it runs it is everybody's: to pause, to update, to checkpoint
  const bool relay = made.terminal && options.console_socket.empty();
  auto status = relay ? relay_console(made.created.console, made.created.pidfd) : wait_foreground(made.created.pidfd);
  if (!arguments.has("keep")) clean_up(made);
  if (!status.ok()) return std::move(status).error();
  leave(status.value().code);
}

}  // namespace slipway::runtime::command
