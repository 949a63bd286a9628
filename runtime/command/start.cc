// slipway start: lets a created container's program begin, and waits until it has.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>

#include "base/text.h"
#include "oci/parse.h"
#include "runtime/command/make.h"
#include "runtime/hooks.h"
#include "runtime/init/protocol.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::runtime::command {
namespace {

constexpr std::size_t kArgumentsLimit = 16U << 20U;  // of execve(2): less than that
constexpr int kMostLooks = 500;                      // a millisecond each

Error no_process(const ContainerRecord& record) {
  return fail(Code::failed_precondition, "process: config.json of container '{}' has none, there is nothing to start", record.id);
}

// Init's end of the FIFO closes when it execs or ends. What it wrote before is its report of a failure.
Result<void> await_report(FdRef report, const ContainerRecord& record) {
  pollfd fd = {report.get(), 0, 0};  // POLLHUP only: our own start byte makes it readable for a moment
  while (::poll(&fd, 1, -1) < 0) {
    if (errno != EINTR) return fail_errno(errno, "wait for the program to begin");
  }
  init::Message message;
  const ssize_t n = ::read(report.get(), &message, sizeof message);
  if (n == 0) return {};
  if (n != static_cast<ssize_t>(sizeof message)) return fail(Code::aborted, "init ended before it could execute the program");
  if (message.step == init::Step::no_process) return no_process(record);
  return fail_errno(message.error, "{}", message.step == init::Step::exec ? "execve" : "load the seccomp filter");
}

// What the hooks of start and delete are in the container's own copy of config.json.
Result<oci::Spec> spec_of(const StateDir& dir) {
  TRY_ASSIGN(const std::string text, dir.read_config());
  return oci::parse_spec(text);
}

// A container whose startContainer hook fails never starts: its process is ended (runtime.md, "Lifecycle").
Result<void> run_start_hooks(const StateDir& dir, const ContainerRecord& record, FdRef pidfd) {
  TRY_ASSIGN(const oci::Spec spec, spec_of(dir));
  auto done = spec.process ? runtime::run_start_hooks(spec, record, pidfd) : no_process(record);
  if (!done.ok()) (void)end_process(pidfd);
  return done;
}

// The FIFO closes in the middle of execve(2). Once it is through, /proc shows the arguments: a hook that looks finds the program. Not for
// ever: a program may hide its arguments (PR_SET_MM), and one whose first thread has ended has none.
Result<void> await_image(const ContainerRecord& record, FdRef pidfd) {
  for (int looks = 0; looks < kMostLooks; ++looks) {
    const auto arguments = sys::read_file(fmt::format("/proc/{}/cmdline", record.pid), kArgumentsLimit);
    if (!arguments.ok() || !arguments.value().empty()) return {};
    TRY_ASSIGN(const bool ended, sys::poll_readable(pidfd, 1));
    if (ended) return {};
  }
  return {};
}

// A bundle means the version of the specification that it names. Up to 1.2: "the runtime MUST log a warning, but the remaining hooks and
// lifecycle continue"; since 1.3 it "MUST generate an error, stop the container" (runtime.md, "Lifecycle", 9).
bool poststart_only_warns(const oci::Spec& spec) {
  std::string_view version = spec.oci_version;
  (void)cut(version, '.');  // 1, or it had not been read
  const auto minor = to_number<unsigned>(cut(version, '.'));
  return minor && *minor < 3;
}

Result<void> run_poststart(const StateDir& dir, const ContainerRecord& record, FdRef pidfd) {
  TRY_ASSIGN(const oci::Spec spec, spec_of(dir));
  if (!spec.hooks || spec.hooks->poststart.empty()) return {};
  TRY(await_image(record, pidfd));
  if (!poststart_only_warns(spec)) return run_hooks(spec, HookKind::poststart, record, Status::running);
  for (const Error& error : run_hooks_to_end(spec, HookKind::poststart, record, Status::running)) report_warning(error);
  return {};
}

// Which program it was about, where there is one.
Error told(const StateDir& dir, Error error) {
  const auto text = dir.read_config();
  const auto spec = text.ok() ? oci::parse_spec(text.value()) : Result<oci::Spec>(text.error());
  if (!spec.ok() || !spec.value().process || spec.value().process->args.empty()) return error;
  return std::move(error).within("exec '{}'", spec.value().process->args[0]);
}

}  // namespace

Result<void> start_container(const StateDir& dir, const ContainerRecord& record) {
  TRY_ASSIGN(const auto process, open_process(record));
  if (!process) return fail(Code::failed_precondition, "container '{}' is stopped: it cannot be started", record.id);
  TRY_ASSIGN(const bool frozen, is_frozen(record));
  if (frozen) return fail(Code::failed_precondition, "container '{}' is paused: resume it first", record.id);
  TRY_ASSIGN(auto start, dir.open_start_fifo());
  if (!start) return fail(Code::failed_precondition, "container '{}' is running already: it cannot be started", record.id);
  if (record.hooks) TRY(run_start_hooks(dir, record, *process));
  TRY_ASSIGN(const UniqueFd report, dir.open_report_fifo());
  TRY(sys::write_all(*start, "s"));
  start->reset();
  auto reported = await_report(report, record);
  dir.remove_start_fifo();
  if (!reported.ok()) {
    (void)end_process(*process);  // it is on its way out, or gone: who hears of the failure finds it stopped
    return told(dir, std::move(reported).error());
  }
  if (!record.hooks) return {};
  auto done = run_poststart(dir, record, *process);
  if (!done.ok()) (void)end_process(*process);
  return done;
}

Result<int> start_verb(const Global& global, Words words) {
  TRY_ASSIGN(const Arguments arguments, parse_arguments(words, {}, false));
  TRY_ASSIGN(const std::string id, container_id(arguments));
  TRY_ASSIGN(const Found found, find_container(global, id));
  TRY(found.dir.lock());
  TRY(start_container(found.dir, found.record));
  return 0;
}

}  // namespace slipway::runtime::command
