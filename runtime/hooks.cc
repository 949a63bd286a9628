// Which hooks there are, what they are told, and what becomes of them.
#include "runtime/hooks.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "base/time.h"
#include "base/weaken.h"
#include "runtime/hook_process.h"
#include "runtime/mount_plan.h"
#include "runtime/runner.h"
#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/namespace.h"

namespace slipway::runtime {
namespace {

constexpr std::size_t kKeptOutput = 2048;
constexpr const char* kStateName = "slipway-state";

// What a hook prints, as far as an error can use it: the end of it.
class Output {
 public:
  Result<int> open() {
    TRY_ASSIGN(pipe_, sys::make_pipe());
    TRY(sys::set_nonblocking(pipe_.read));
    return pipe_.write.get();
  }
  void given() { pipe_.write.reset(); }
  FdRef fd() const { return pipe_.read; }
  // False at its end.
  bool drain() {
    char buffer[4096];
    for (;;) {
      const ssize_t n = sys::retry_eintr([&] { return ::read(pipe_.read.get(), buffer, sizeof buffer); });
      if (n <= 0) return n < 0 && errno == EAGAIN;
      text_.append(buffer, static_cast<std::size_t>(n));
      if (text_.size() > kKeptOutput) text_.erase(0, text_.size() - kKeptOutput);
    }
  }
  std::string end_of_message() const {
    const std::size_t last = text_.find_last_not_of(" \n\t");
    return last == std::string::npos ? "" : ": " + text_.substr(0, last + 1);
  }

 private:
  sys::Pipe pipe_;
  std::string text_;
};

// Until the hook has ended, or its time. What it left running may keep the pipe: nobody waits for that.
Result<void> await(sys::Child& child, Output& output, const oci::Hook& hook) {
  const MonotonicNanos begun = now_monotonic();
  bool open = true;
  for (;;) {
    int wait = -1;
    if (hook.timeout) {
      const std::int64_t passed = (now_monotonic() - begun) / 1'000'000;
      const std::int64_t all = std::min<std::int64_t>(*hook.timeout, INT32_MAX / 1000) * 1000;
      wait = static_cast<int>(std::max<std::int64_t>(all - passed, 0));
    }
    pollfd fds[2] = {{child.pidfd().get(), POLLIN, 0}, {open ? output.fd().get() : -1, POLLIN, 0}};
    const int ready = ::poll(fds, 2, wait);
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "poll");
    if (ready < 0) continue;
    if (fds[1].revents != 0) open = output.drain();
    if (ready == 0) {
      (void)child.kill_group();
      (void)child.send_signal(SIGKILL);
      (void)child.wait();
      return fail(Code::deadline_exceeded, "not done within its timeout of {} s, killed{}", *hook.timeout, output.end_of_message());
    }
    if (fds[0].revents != 0) break;
  }
  TRY_ASSIGN(const sys::ExitStatus status, child.wait());
  (void)output.drain();
  if (status.signal != 0) return fail(Code::aborted, "ended by signal {}{}", status.signal, output.end_of_message());
  if (status.code != 0) return fail(Code::aborted, "exit status {}{}", status.code, output.end_of_message());
  return {};
}

Result<int> namespaces_of(const HookTarget& target) {
  TRY_ASSIGN(const bool our_time, sys::shares_namespace(target.pid, "time"));
  return CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | (target.own_users ? CLONE_NEWUSER : 0) |
         (our_time ? 0 : CLONE_NEWTIME);
}

// CVE-2024-0132, CVE-2025-23266: the container's image says what is in its environment, and a loader would believe it.
std::vector<std::string> environment_of(const oci::Spec& spec, const oci::Hook& hook) {
  std::vector<std::string> env = hook.env;
  if (weakened(Defence::hook_environment) && spec.process) env.insert(env.end(), spec.process->env.begin(), spec.process->env.end());
  return env;
}

Result<void> run_one(const oci::Spec& spec, const oci::Hook& hook, const ContainerRecord& record, const std::string& state,
                     const HookTarget* target) {
  TRY_ASSIGN(const UniqueFd input, sys::memory_file(kStateName, state));
  Output output;
  HookProcess process;
  TRY_ASSIGN(process.output, output.open());
  process.input = input.get();
  process.path = hook.path;
  process.args = hook.args;
  process.env = environment_of(spec, hook);
  process.directory = record.bundle;
  if (target != nullptr) {
    process.pidfd = target->pidfd;
    process.own_pids = target->own_pids;
    TRY_ASSIGN(process.namespaces, namespaces_of(*target));
  }
  TRY_ASSIGN(sys::Child child, start_hook(process));
  output.given();
  return await(child, output, hook);
}

Error named(Error error, HookKind kind, std::size_t index, const oci::Hook& hook) {
  return std::move(error).within("hooks.{}[{}] '{}'", to_string(kind), index, hook.path);
}

// One more process of the container, with all that confines it; only program, arguments and environment are the hook's.
Result<void> run_inside(const oci::Spec& spec, const oci::Hook& hook, const ContainerRecord& record, FdRef pidfd) {
  TRY_ASSIGN(const UniqueFd input, sys::memory_file(kStateName, write_hook_state(record, Status::created)));
  Output output;
  TRY_ASSIGN(const int out, output.open());
  oci::Process process = *spec.process;
  process.args = hook.args;
  if (process.args.empty()) process.args = {hook.path};
  process.env = environment_of(spec, hook);
  process.terminal = false;
  ExecRequest request;
  request.pid = record.pid;
  request.pidfd = pidfd.get();
  request.process = &process;
  request.program = hook.path;
  request.linux_ = &spec.linux_;
  request.record = &record;
  request.cgroup = record.cgroup;
  request.stdio = {input.get(), out, out};
  request.id = record.id;
  TRY_ASSIGN(Created created, runtime::exec(request));
  output.given();
  sys::Child child(created.pid, std::move(created.pidfd));
  return await(child, output, hook);
}

}  // namespace

std::string_view to_string(HookKind kind) {
  switch (kind) {
    case HookKind::prestart: return "prestart";
    case HookKind::create_runtime: return "createRuntime";
    case HookKind::create_container: return "createContainer";
    case HookKind::start_container: return "startContainer";
    case HookKind::poststart: return "poststart";
    case HookKind::poststop: break;
  }
  return "poststop";
}

const std::vector<oci::Hook>& hooks_of(const oci::Spec& spec, HookKind kind) {
  static const oci::Hooks kNone;
  const oci::Hooks& hooks = spec.hooks ? *spec.hooks : kNone;
  switch (kind) {
    case HookKind::prestart: return hooks.prestart;
    case HookKind::create_runtime: return hooks.create_runtime;
    case HookKind::create_container: return hooks.create_container;
    case HookKind::start_container: return hooks.start_container;
    case HookKind::poststart: return hooks.poststart;
    case HookKind::poststop: break;
  }
  return hooks.poststop;
}

bool has_create_hooks(const oci::Spec& spec) {
  return spec.hooks && !(spec.hooks->prestart.empty() && spec.hooks->create_runtime.empty() && spec.hooks->create_container.empty());
}

bool has_later_hooks(const oci::Spec& spec) {
  return spec.hooks && !(spec.hooks->start_container.empty() && spec.hooks->poststart.empty() && spec.hooks->poststop.empty());
}

ContainerRecord hook_record(const oci::Spec& spec, const std::string& id, const std::string& bundle) {
  ContainerRecord record;
  record.oci_version = spec.oci_version;
  record.id = id;
  record.bundle = bundle;
  record.annotations = spec.annotations;
  return record;
}

Result<void> run_hooks(const oci::Spec& spec, HookKind kind, const ContainerRecord& record, Status status, const HookTarget* target) {
  const std::vector<oci::Hook>& hooks = hooks_of(spec, kind);
  if (hooks.empty()) return {};
  const std::string state = write_hook_state(record, status);
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    auto done = run_one(spec, hooks[i], record, state, target);
    if (!done.ok()) return named(std::move(done).error(), kind, i, hooks[i]);
  }
  return {};
}

std::vector<Error> run_hooks_to_end(const oci::Spec& spec, HookKind kind, const ContainerRecord& record, Status status) {
  std::vector<Error> failures;
  const std::vector<oci::Hook>& hooks = hooks_of(spec, kind);
  const std::string state = hooks.empty() ? "" : write_hook_state(record, status);
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    auto done = run_one(spec, hooks[i], record, state, nullptr);
    if (!done.ok()) failures.push_back(named(std::move(done).error(), kind, i, hooks[i]));
  }
  return failures;
}

Result<void> run_start_hooks(const oci::Spec& spec, const ContainerRecord& record, FdRef pidfd) {
  const std::vector<oci::Hook>& hooks = hooks_of(spec, HookKind::start_container);
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    auto done = run_inside(spec, hooks[i], record, pidfd);
    if (!done.ok()) return named(std::move(done).error(), HookKind::start_container, i, hooks[i]);
  }
  return {};
}

}  // namespace slipway::runtime
