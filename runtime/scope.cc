// The anchor, and what systemd is told about a scope.
#include "runtime/scope.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "cgroups/root.h"
#include "cgroups/systemd.h"
#include "cgroups/unit_names.h"
#include "runtime/fresh_program.h"
#include "sys/descriptor.h"
#include "sys/file.h"

namespace slipway::runtime {
namespace {

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
  TRY_ASSIGN(Cloned cloned, clone_with_pidfd(CLONE_CLEAR_SIGHAND).context("a scope's anchor"));
  if (cloned.pid == 0) hold(leash.read.get());
  return Anchor{sys::Child(cloned.pid, std::move(cloned.pidfd)), std::move(leash.write)};
}

constexpr std::string_view kOomPolicy = "OOMPolicy";

// One process killed at its memory limit is its container's affair, unless the container is to go as a whole. systemd writes
// memory.oom.group by this, at a reload too.
std::string oom_policy(const ScopeRequest& request) {
  if (request.resources == nullptr) return "continue";
  const auto group = request.resources->unified.find("memory.oom.group");
  return group != request.resources->unified.end() && group->second.starts_with('1') ? "kill" : "continue";
}

std::vector<cgroups::Property> properties_of(const ScopeRequest& request, pid_t anchor) {
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
  out.push_back({std::string(kOomPolicy), oom_policy(request)});
  out.insert(out.end(), request.asked.begin(), request.asked.end());
  if (request.resources != nullptr)
    for (cgroups::Property& property : cgroups::plan_properties(*request.resources)) out.push_back(std::move(property));
  return out;
}

Result<void> start_unit(const ScopeRequest& request, pid_t anchor) {
  const std::string unit = cgroups::unit_of(request.path);
  TRY_ASSIGN(cgroups::Systemd systemd, cgroups::Systemd::connect());
  auto properties = properties_of(request, anchor);
  auto started = systemd.start_transient(unit, properties);
  if (!started.ok() && started.error().code == Code::unimplemented) {
    // REMOVE-WHEN: systemd >= 252, the first whose scopes have it. One that has not ends no scope for an OOM kill.
    std::erase_if(properties, [](const cgroups::Property& property) { return property.name == kOomPolicy; });
    started = systemd.start_transient(unit, properties);
  }
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

AnchorsRoom::~AnchorsRoom() {
  if (!file_) return;
  auto written = sys::write_all(file_, exact_);
  if (!written.ok() && written.error().sys_errno != ENODEV)
    log::warn("{}", std::move(written).error().within("pids.max {}", exact_).message);
}

Result<void> Scope::make_room() {
  auto limit = sys::read_line_file_at(cgroup_.dir(), "pids.max");
  if (!limit.ok() && limit.error().sys_errno == ENOENT) return {};  // no controller
  if (!limit.ok()) return std::move(limit).error();
  std::string exact(trim(limit.value(), "\n"));
  const auto number = to_number<std::uint64_t>(exact);
  if (!number) return {};  // max
  TRY_ASSIGN(UniqueFd file, sys::open_at(cgroup_.dir(), "pids.max", O_WRONLY | O_NOFOLLOW));
  TRY(sys::write_all(file, fmt::format("{}", *number + 1)).context("pids.max"));
  room_ = AnchorsRoom(std::move(file), std::move(exact));
  return {};
}

}  // namespace slipway::runtime
