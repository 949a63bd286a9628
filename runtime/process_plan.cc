// The process as init's plan.
#include "runtime/process_plan.h"

#include <sys/resource.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "runtime/capabilities.h"
#include "runtime/paths.h"
#include "runtime/seccomp.h"
#include "sys/file.h"

namespace slipway::runtime {
namespace {

constexpr std::string_view kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct LimitName {
  std::string_view name;
  int number;
};
constexpr LimitName kLimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

Result<void> plan_limits(const oci::Process& process, LaunchPlan& plan) {
  for (std::size_t i = 0; i < process.rlimits.size(); ++i) {
    const oci::Rlimit& limit = process.rlimits[i];
    auto number = rlimit_number(limit.type);
    if (!number.ok()) return std::move(number).error().within("process.rlimits[{}].type", i);
    if (limit.soft > limit.hard) return fail(Code::invalid_argument, "process.rlimits[{}]: soft is above hard", i);
    plan.limits.push_back({number.value(), limit.soft, limit.hard});
    plan.limit_names.push_back(fmt::format("{} to {}:{}", limit.type, limit.soft, limit.hard));
  }
  return {};
}

Result<void> plan_capabilities(const oci::Process& process, int last_capability, LaunchPlan& plan) {
  std::vector<std::string> dropped;
  TRY_ASSIGN(const CapabilityMasks masks, capability_masks(process.capabilities, last_capability, &dropped));
  for (const std::string& name : dropped) log::warn("{}: left out", name);
  plan.init.capabilities = {masks.bounding,    masks.effective, masks.permitted,
                            masks.inheritable, masks.ambient,   static_cast<unsigned>(last_capability)};
  return {};
}

Result<void> plan_filter(const oci::Seccomp& seccomp, LaunchPlan& plan) {
  plan.init.filter.wanted = true;
  TRY_ASSIGN(plan.init.filter.flags, seccomp_flags(seccomp));
  plan.init.filter.listened = has_listener(seccomp);
  return {};
}

// Of several values of one name the last one counts, as in runc and crun; getenv(3) would take the first.
void plan_environment(const std::vector<std::string>& env, LaunchPlan& plan) {
  std::set<std::string_view> names;
  plan.envp.reserve(env.size() + 1);
  for (auto entry = env.rbegin(); entry != env.rend(); ++entry) {
    if (names.insert(std::string_view(*entry).substr(0, entry->find('='))).second) plan.envp.push_back(entry->c_str());
  }
  std::reverse(plan.envp.begin(), plan.envp.end());
}

Result<void> plan_program(const oci::Process& process, LaunchPlan& plan) {
  if (process.args.empty() || process.args[0].empty()) return fail(Code::invalid_argument, "process.args: no program given");
  if (!process.cwd.starts_with('/')) return fail(Code::invalid_argument, "process.cwd: '{}' is not absolute", process.cwd);
  plan.argv.reserve(process.args.size() + 1);
  for (const std::string& arg : process.args) plan.argv.push_back(arg.c_str());
  plan_environment(process.env, plan);
  for (std::string& path : program_candidates(process.args[0], process.env)) plan.candidates.push_back(plan.keep(std::move(path)));
  plan.init.working_directory = plan.keep(process.cwd);
  return {};
}

// For the program's execve, which comes last: the kernel keeps it until then (apparmor(7), aa_change_onexec(2)).
Result<void> plan_apparmor(const oci::Process& process, LaunchPlan& plan) {
  if (!process.apparmor_profile || process.apparmor_profile->empty() || *process.apparmor_profile == "unconfined") return {};
  const std::string& profile = *process.apparmor_profile;
  if (profile.find_first_of(std::string_view("\0\n", 2)) != std::string::npos || profile.size() > 1024)
    return fail(Code::invalid_argument, "process.apparmorProfile: '{}' is not the name of a profile", profile);
  TRY_ASSIGN(const bool enabled, apparmor_enabled());
  if (!enabled) return fail(Code::failed_precondition, "process.apparmorProfile '{}': this host has no AppArmor", profile);
  const char* value = plan.keep("exec " + profile);
  plan.apparmor_write = plan.proc_writes.size();
  plan.proc_writes.push_back({"self/attr/apparmor/exec", value, static_cast<std::uint32_t>(profile.size() + 5), true});
  return {};
}

// As plan_apparmor: for the program's execve (selinux(8); setexeccon(3)).
Result<void> plan_selinux(const oci::Process& process, LaunchPlan& plan) {
  if (!process.selinux_label || process.selinux_label->empty()) return {};
  TRY(check_selinux_label("process.selinuxLabel", *process.selinux_label));
  if (!selinux_enabled())  // to go on would be to run unconfined
    return fail(Code::failed_precondition, "process.selinuxLabel '{}': this host has no SELinux", *process.selinux_label);
  const std::string& label = *process.selinux_label;
  plan.proc_writes.push_back({"self/attr/exec", plan.keep(label), static_cast<std::uint32_t>(label.size()), true});
  return {};
}

Result<void> plan_user(const oci::User& user, const UserNamespace* own, LaunchPlan& plan) {
  plan.init.uid = user.uid;
  plan.init.gid = user.gid;
  plan.groups.assign(user.additional_gids.begin(), user.additional_gids.end());
  plan.init.stdio_owner = user.uid;
  if (own == nullptr) return {};
  TRY_ASSIGN(plan.init.stdio_owner, own->host_uid(user.uid).context("process.user.uid"));
  TRY(own->host_gid(user.gid).context("process.user.gid"));
  for (const std::uint32_t gid : user.additional_gids) TRY(own->host_gid(gid).context("process.user.additionalGids"));
  return {};
}

}  // namespace

bool selinux_enabled() {
  return sys::exists("/sys/fs/selinux/enforce");
}

Result<void> check_selinux_label(const std::string& field, const std::string& label) {
  if (label.find_first_of(std::string_view("\0\n\"", 3)) != std::string::npos || label.size() > 4096)
    return fail(Code::invalid_argument, "{}: '{}' is no label", field, label);
  return {};
}

Result<bool> apparmor_enabled() {
  auto text = sys::read_file("/sys/module/apparmor/parameters/enabled", 16);
  if (!text.ok() && text.error().code == Code::not_found) return false;
  if (!text.ok()) return std::move(text).error();
  return text.value().starts_with('Y');
}

std::vector<std::string> program_candidates(std::string_view name, const std::vector<std::string>& env) {
  if (name.find('/') != std::string_view::npos) return {std::string(name)};
  std::string_view path = kDefaultPath;
  for (const std::string& entry : env) {
    if (std::string_view(entry).starts_with("PATH=")) path = std::string_view(entry).substr(5);
  }
  std::vector<std::string> out;
  for (;;) {
    const std::size_t end = std::min(path.find(':'), path.size());
    const std::string_view directory = path.substr(0, end);
    out.push_back(directory.empty() ? fmt::format("./{}", name) : fmt::format("{}/{}", directory, name));
    if (end == path.size()) return out;
    path.remove_prefix(end + 1);
  }
}

Result<int> rlimit_number(std::string_view name) {
  for (const LimitName& limit : kLimits) {
    if (limit.name == name) return limit.number;
  }
  return fail(Code::invalid_argument, "'{}' is not known", name);
}

const oci::Process& no_process() {
  static const oci::Process kNobody = [] {
    oci::Process process;
    process.cwd = "/";
    process.no_new_privileges = true;
    return process;
  }();
  return kNobody;
}

Result<void> compile_filter(const oci::Seccomp& seccomp, LaunchPlan& plan) {
  TRY_ASSIGN(plan.filter, compile_seccomp(seccomp));
  if (plan.filter.size() > BPF_MAXINSNS)
    return fail(Code::invalid_argument, "linux.seccomp: {} instructions, the kernel takes {}", plan.filter.size(), BPF_MAXINSNS);
  return {};
}

Result<void> plan_process(const oci::Process& process, const oci::Seccomp* seccomp, int last_capability, const UserNamespace* user,
                          LaunchPlan& plan) {
  TRY(plan_apparmor(process, plan));
  TRY(plan_selinux(process, plan));
  if (&process != &no_process()) TRY(plan_program(process, plan));
  TRY(plan_limits(process, plan));
  TRY(plan_capabilities(process, last_capability, plan));
  if (seccomp != nullptr) TRY(plan_filter(*seccomp, plan));
  TRY(plan_user(process.user, user, plan));
  plan.init.umask = process.user.umask.value_or(0022);
  plan.init.no_new_privileges = process.no_new_privileges;
  plan.init.terminal.wanted = process.terminal;
  if (process.console_size) {
    plan.init.terminal.rows = process.console_size->height;
    plan.init.terminal.columns = process.console_size->width;
  }
  if (process.oom_score_adj) {
    const char* value = plan.keep(fmt::format("{}", *process.oom_score_adj));
    plan.proc_writes.push_back({"self/oom_score_adj", value, static_cast<std::uint32_t>(std::string_view(value).size()), true, true});
  }
  return {};
}

}  // namespace slipway::runtime
