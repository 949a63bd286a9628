// slipway start: lets a created container's program begin, and waits until it has.
#include <poll.h>
#include <unistd.h>

#include <cstring>

#include "oci/parse.h"
#include "runtime/command/command.h"
#include "runtime/init/protocol.h"
#include "sys/file.h"

namespace slipway::runtime::command {
namespace {

// Init's end of the FIFO closes when it execs or ends. What it wrote before is its report of a failure.
Result<void> await_report(FdRef report) {
  pollfd fd = {report.get(), 0, 0};  // POLLHUP only: our own start byte makes it readable for a moment
  while (::poll(&fd, 1, -1) < 0) {
    if (errno != EINTR) return fail_errno(errno, "wait for the program to begin");
  }
  init::Message message;
  const ssize_t n = ::read(report.get(), &message, sizeof message);
  if (n == 0) return {};
  if (n != static_cast<ssize_t>(sizeof message)) return fail(Code::aborted, "init ended before it could execute the program");
  return fail_errno(message.error, "{}", message.step == init::Step::exec ? "execve" : "load the seccomp filter");
}

// For the sentence only.
std::string program_of(const StateDir& dir) {
  const auto text = dir.read_config();
  if (!text.ok()) return "?";
  const auto spec = oci::parse_spec(text.value());
  return spec.ok() && spec.value().process && !spec.value().process->args.empty() ? spec.value().process->args[0] : "?";
}

}  // namespace

Result<int> start_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, {}, false));
  TRY_ASSIGN(const std::string id, container_id(arguments));
  TRY_ASSIGN(const Found found, find_container(global, id));
  TRY(found.dir.lock());
  TRY_ASSIGN(const auto process, open_process(found.record));
  if (!process) return fail(Code::failed_precondition, "container '{}' is stopped: it cannot be started", id);
  TRY_ASSIGN(auto start, found.dir.open_start_fifo());
  if (!start) return fail(Code::failed_precondition, "container '{}' is running already: it cannot be started", id);
  TRY_ASSIGN(const UniqueFd report, found.dir.open_report_fifo());
  TRY(sys::write_all(*start, "s"));
  start->reset();
  auto reported = await_report(report);
  found.dir.remove_start_fifo();
  if (!reported.ok()) return std::move(reported).error().within("exec '{}'", program_of(found.dir));
  return 0;
}

}  // namespace slipway::runtime::command
