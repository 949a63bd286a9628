// process.scheduler, ioPriority, execCPUAffinity, linux.personality and memoryPolicy as init's plan.
//
// Pure. The names are the kernel's (sched(7), ioprio_set(2), personality(2), set_mempolicy(2)); errors name the field.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "oci/spec.h"
#include "runtime/launch_plan.h"

namespace slipway::runtime {

// Call it after Birth and the user namespace are planned.
Result<void> plan_scheduling(const oci::Process& process, const oci::Linux& linux_, LaunchPlan& plan);

// "0-3,7" as a mask of bits; `field` is for the sentence.
Result<std::vector<unsigned long>> parse_number_list(const std::string& field, const std::string& text);

}  // namespace slipway::runtime
