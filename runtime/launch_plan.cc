// Freezing the plan, and init's 12 bytes as a sentence.
#include "runtime/launch_plan.h"

#include <unistd.h>

#include <algorithm>

namespace slipway::runtime {
namespace {

template <class T>
init::View<T> view(const std::vector<T>& items) {
  return {items.data(), static_cast<std::uint32_t>(items.size())};
}

template <class T>
std::string name_at(const std::vector<T>& names, std::uint32_t index) {
  return index < names.size() ? std::string(names[index]) : fmt::format("#{}", index);
}

Code code_of(const init::Message& failure) {
  switch (failure.step) {
    case init::Step::lookup:
    case init::Step::exec:
    case init::Step::working_directory: return code_from_errno(failure.error);
    case init::Step::outside_root: return Code::permission_denied;
    default: return failure.error == ENOENT ? Code::failed_precondition : code_from_errno(failure.error);
  }
}

std::string write_sentence(const init::ProcWrite& write) {
  const std::string_view path = write.path;
  return fmt::format("{}write '{}' to /proc/{}", path.starts_with("sys/") ? "linux.sysctl: " : "",
                     std::string_view(write.value, write.size), path);
}

// The steps whose sentence says nothing of the plan.
constexpr std::pair<init::Step, const char*> kPlain[] = {
    {init::Step::close_descriptors, "close descriptors"},
    {init::Step::seal, "leave the runner's own file"},
    {init::Step::enter_cgroup, "enter the cgroup"},
    {init::Step::signals, "set the signals to their defaults"},
    {init::Step::session, "begin a session"},
    {init::Step::keyring, "begin a session keyring"},
    {init::Step::cgroup_namespace, "make a cgroup namespace"},
    {init::Step::loopback, "raise the loopback interface"},
    {init::Step::pid_namespace, "join the PID namespace"},
    {init::Step::birth, "clone the container's process into its namespaces"},
    {init::Step::terminal_open, "open a terminal in the container's /dev/pts"},
    {init::Step::terminal_send, "hand over the terminal"},
    {init::Step::terminal_console, "bind /dev/console"},
    {init::Step::terminal_control, "make the terminal the controlling one"},
    {init::Step::root_readonly, "make the root read-only"},
    {init::Step::hooks, "wait for the runner's hooks"},
    {init::Step::mounts, "receive the mounts"},
    {init::Step::confinement, "wait for the filter and the device rules"},
    {init::Step::pivot, "change the root"},
    {init::Step::scheduler, "set process.scheduler"},
    {init::Step::io_priority, "set process.ioPriority"},
    {init::Step::affinity, "set process.execCPUAffinity.final"},
    {init::Step::personality, "set linux.personality"},
    {init::Step::memory_policy, "set linux.memoryPolicy"},
    {init::Step::groups, "set the supplementary groups"},
    {init::Step::capabilities, "set the capabilities"},
    {init::Step::no_new_privileges, "set no_new_privs"},
    {init::Step::seccomp, "load the seccomp filter"},
    {init::Step::ready, "report to the runner"},
    {init::Step::start, "wait for start"},
    {init::Step::no_process, "start a container whose config.json has no process"},
};

}  // namespace

// One call for neighbours: they are many, and were opened one after another.
LaunchPlan::~LaunchPlan() {
  std::sort(fds_.begin(), fds_.end());
  for (std::size_t first = 0; first < fds_.size();) {
    std::size_t end = first + 1;
    while (end < fds_.size() && fds_[end] == fds_[end - 1] + 1) ++end;
    if (fds_[first] >= 0) (void)::close_range(static_cast<unsigned>(fds_[first]), static_cast<unsigned>(fds_[end - 1]), 0);
    first = end;
  }
}

void LaunchPlan::freeze() {
  init.joins = view(joins);
  init.proc_writes = view(proc_writes);
  init.root.mounts = view(mounts);
  init.root.masked = view(masked);
  init.root.readonly_paths = view(readonly_paths);
  init.limits = view(limits);
  init.scheduling.affinity = view(affinity);
  init.scheduling.memory_nodes = view(memory_nodes);
  init.groups = view(groups);
  init.candidates = view(candidates);
  for (std::vector<const char*>* list : {&argv, &envp})
    if (list->empty() || list->back() != nullptr) list->push_back(nullptr);
  init.argv = argv.data();
  init.envp = envp.data();
  keep_fds_ = borrowed_;
  keep_fds_.insert(keep_fds_.end(), fds_.begin(), fds_.end());
  std::sort(keep_fds_.begin(), keep_fds_.end());
  keep_fds_.erase(std::unique(keep_fds_.begin(), keep_fds_.end()), keep_fds_.end());
  init.keep = view(keep_fds_);
}

std::string LaunchPlan::subject(const init::Message& failure) const {
  using init::Step;
  const std::uint32_t i = failure.index;
  const std::string offsets = init.time_offsets == nullptr ? "" : fmt::format(" with offsets {}", init.time_offsets);
  const std::string target = i < mounts.size() && mounts[i].target != nullptr ? mounts[i].target : "?";
  for (const auto& [step, sentence] : kPlain) {
    if (step == failure.step) return sentence;
  }
  switch (failure.step) {
    case Step::join_namespace: return fmt::format("join the {} namespace", name_at(join_names, i));
    case Step::user_namespace: return i == 0 ? "join the user namespace" : "become root in the user namespace: is id 0 mapped?";
    case Step::time_namespace: return "make a time namespace" + offsets;
    case Step::hostname: return fmt::format("set hostname '{}'", init.hostname == nullptr ? "" : init.hostname);
    case Step::domainname: return fmt::format("set domainname '{}'", init.domainname == nullptr ? "" : init.domainname);
    case Step::proc_write:
      if (i == apparmor_write)
        return fmt::format("AppArmor profile '{}'{}", proc_writes[i].value + sizeof "exec",
                           failure.error == ENOENT ? " is not loaded" : "");
      return i < proc_writes.size() ? write_sentence(proc_writes[i]) : "write to /proc";
    case Step::root_propagation: return i == 0 ? "make the mounts private" : "set linux.rootfsPropagation";
    case Step::root_attach:
      return init.root.attach_at == nullptr ? "attach the root" : fmt::format("attach the root at '{}'", init.root.attach_at);
    case Step::mount_make: return fmt::format("make the file system for '/{}'", target);
    case Step::mount_target: return fmt::format("mount target '/{}' in the root", target);
    case Step::mount_attach: return fmt::format("mount at '/{}'", target);
    case Step::remount: return fmt::format("remount '/{}'{}", target, failure.error == EINVAL ? ": is anything mounted right there?" : "");
    case Step::link: return fmt::format("make the link '/{}'", target);
    case Step::mount_readonly: return fmt::format("make '/{}' read-only", target);
    case Step::mask: return fmt::format("mask '/{}'", name_at(masked, i));
    case Step::readonly_path: return fmt::format("make path '/{}' read-only", name_at(readonly_paths, i));
    case Step::stdio: return fmt::format("set standard descriptor {}", i);
    case Step::preserve: return fmt::format("preserve descriptor {}", i);
    case Step::rlimit: return fmt::format("set {}", name_at(limit_names, i));
    case Step::working_directory: return fmt::format("change to directory '{}'", init.working_directory);
    case Step::outside_root: return fmt::format("directory '{}' is outside the container's root", init.working_directory);
    case Step::bounding: return fmt::format("drop capability {} from the bounding set", i);
    case Step::user: return fmt::format("become user {}:{}", init.uid, init.gid);
    case Step::ambient: return fmt::format("raise ambient capability {}", i);
    default: break;
  }
  return fmt::format("exec '{}'", argv.empty() || argv[0] == nullptr ? "" : argv[0]);
}

Error LaunchPlan::describe(const init::Message& failure) const {
  const std::string what = subject(failure);
  const bool by_path = candidates.size() != 1 || (!argv.empty() && std::string_view(argv[0]).find('/') == std::string_view::npos);
  // The wording is what the callers of OCI runtimes look for to tell 127 from 126.
  if (failure.step == init::Step::lookup && failure.error == ENOENT && by_path)
    return Error{Code::not_found, ENOENT, what + ": executable file not found in $PATH"};
  if (failure.step == init::Step::mount_target && failure.error == ELOOP)
    return Error{Code::invalid_argument, ELOOP, what + ": a symbolic link is on the way"};
  Error error = errno_error(failure.error, what);
  error.code = code_of(failure);
  return error;
}

}  // namespace slipway::runtime
