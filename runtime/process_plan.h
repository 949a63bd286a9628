// process of config.json into init's plan: program, environment, limits, user, capabilities, filter.
//
// Pure but for the capability numbers of the running kernel, which the caller gives, and the question whether there is AppArmor.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/spec.h"
#include "runtime/launch_plan.h"
#include "runtime/user_namespace.h"

namespace slipway::runtime {

// Where a program may be: the name itself if it has a slash, else one path for each directory of PATH ("" and "." = the
// working directory). Without PATH in `env`: the usual six directories.
std::vector<std::string> program_candidates(std::string_view name, const std::vector<std::string>& env);

// "RLIMIT_NOFILE" → RLIMIT_NOFILE.
Result<int> rlimit_number(std::string_view name);

// What waits in a container whose config.json has no process: nobody, with nothing. No program is planned for it.
const oci::Process& no_process();

// `process` must outlive the plan: its strings are not copied.
// `user`: the namespace that the process's ids are of; nullptr = ours.
Result<void> plan_process(const oci::Process& process, const oci::Seccomp* seccomp, int last_capability, const UserNamespace* user,
                          LaunchPlan& plan);

// LaunchPlan::filter. It takes the longest of all planning, so it has its own time: LaunchRequest::confine.
Result<void> compile_filter(const oci::Seccomp& seccomp, LaunchPlan& plan);

Result<bool> apparmor_enabled();

bool selinux_enabled();
Result<void> check_selinux_label(const std::string& field, const std::string& label);

}  // namespace slipway::runtime
