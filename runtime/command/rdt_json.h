// What resctrl tells of a container, in the shape that callers of `runc events` read.
#pragma once

#include <string>

#include "base/result.h"
#include "runtime/intel_rdt.h"

namespace slipway::runtime::command {

// {"l3_cache_info":{…},"l3_cache_schema":"L3:0=7ff",…,"schemata":[…],"mbm_stats":[…],"cmt_stats":[…]}: what the processor has of it.
// Monitoring data are those of the container's own group where it has one, else of its whole class.
Result<std::string> rdt_json(const Resctrl& resctrl, const RdtGroup& group);

}  // namespace slipway::runtime::command
