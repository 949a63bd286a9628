// The anchor, and what systemd is told about a scope.
#include "runtime/scope.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroups/root.h"
#include "cgroups/systemd.h"
#include "cgroups/unit_names.h"
#include "sys/descriptor.h"
#include "sys/file.h"

namespace slipway::runtime {
namespace {

constexpr unsigned kFirstWithScopeOomPolicy = 253;

struct Anchor {
  sys::Child child;
  UniqueFd leash;
};

// Holds nothing of ours but the leash's other end, and ends with it.
[[noreturn]] void hold(int leash) {
  if (::dup2(leash, 0) != 0) ::_exit(1);
  (void)::syscall(SYS_close_range, 1, ~0U, 0);
  char byte = 0;
  while (::read(0, &byte, 1) < 0 && errno == EINTR) continue;
  ::_exit(0);
}

Result<Anchor> start_anchor() {
  TRY_ASSIGN(sys::Pipe leash, sys::make_pipe());
  Anchor anchor;
  anchor.leash = std::move(leash.write);
  int pidfd = -1;
  clone_args args = {};
  args.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return fail_errno(errno, "clone a scope's anchor");
  if (pid == 0) hold(leash.read.get());
  anchor.child = sys::Child(static_cast<pid_t>(pid), UniqueFd(pidfd));
  return anchor;
}

std::vector<cgroups::Property> properties_of(const ScopeRequest& request, pid_t anchor, unsigned version) {
  using cgroups::Names;
  using cgroups::Numbers;
  std::vector<cgroups::Property> out = {
      {"Description", request.description},
      {"Slice", cgroups::slice_of(request.path)},
      {"PIDs", Numbers{static_cast<std::uint32_t>(anchor)}},
      {"Delegate", true},
      {"DefaultDependencies", true},
      {"CollectMode", std::string("inactive-or-failed")},
      {"CPUAccounting", true},
      {"MemoryAccounting", true},
      {"TasksAccounting", true},
      {"IOAccounting", true},
      {"TasksMax", cgroups::kInfinity},       // not systemd's DefaultTasksMax; a limit that was asked for comes after it
      {"DevicePolicy", std::string("auto")},  // systemd attaches no filter of its own, now or at a reload: ours stays alone
  };
  if (!request.after.empty()) out.push_back({"After", Names(request.after)});
  // One process killed at its memory limit is its container's affair.
  if (version >= kFirstWithScopeOomPolicy) out.push_back({"OOMPolicy", std::string("continue")});
  if (request.resources != nullptr)
    for (cgroups::Property& property : cgroups::plan_properties(*request.resources)) out.push_back(std::move(property));
  return out;
}

Result<void> start_unit(const ScopeRequest& request, pid_t anchor) {
  const std::string unit = cgroups::unit_of(request.path);
  TRY_ASSIGN(cgroups::Systemd systemd, cgroups::Systemd::connect());
  TRY_ASSIGN(const unsigned version, systemd.version());
  const auto properties = properties_of(request, anchor, version);
  auto started = systemd.start_transient(unit, properties);
  if (started.ok() || started.error().code != Code::already_exists) return started;
  // What failed under this name before and was not collected gives way; what is alive does not.
  TRY(systemd.reset_failed(unit));
  return systemd.start_transient(unit, properties);
}

}  // namespace

Result<Scope> Scope::start(const ScopeRequest& request) {
  const std::string unit = cgroups::unit_of(request.path);
  TRY(cgroups::check_unit_name("cgroup", unit));
  const std::string slice = cgroups::slice_of(request.path);
  TRY_ASSIGN(const std::string parent, cgroups::expand_slice(slice));
  if (!cgroups::is_scope(unit) || parent + "/" + unit != request.path)
    return fail(Code::invalid_argument, "cgroup '{}' is not where systemd puts {} of {}", request.path, unit, slice);
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  TRY_ASSIGN(Anchor anchor, start_anchor());
  TRY(start_unit(request, anchor.child.pid()));
  TRY_ASSIGN(const std::string where, cgroups::path_of(anchor.child.pid()));
  if (where != request.path)
    return fail(Code::failed_precondition, "systemd put {} into the cgroup '{}', not into '{}'", unit, where, request.path);
  TRY_ASSIGN(cgroups::Cgroup cgroup, cgroups::Cgroup::open_enabled(root, request.path));
  return Scope(std::move(anchor.child), std::move(anchor.leash), std::move(cgroup));
}

}  // namespace slipway::runtime
