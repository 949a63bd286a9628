// One call of another OCI runtime's command line, waited for: its end, and what its log says about a failure.
//
// For a fork of the monitor alone: it forks. The program dies with its caller (PR_SET_PDEATHSIG); what it has made by then is found by the
// container's cgroup.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "runtime/runner.h"
#include "slipway/monitor.pb.h"

namespace slipway::monitor {

inline constexpr MonotonicNanos kRuntimeTime = 50'000'000'000;  // less than a task has: it takes back what was half made

// BINARY --root ROOT --log … [--systemd-cgroup] ARGUMENTS…, with these standard descriptors, which a container made by it inherits.
// `arguments` begins with the verb. An error is what the runtime logged.
Result<void> call_runtime(const OciRuntime& runtime, const std::vector<std::string>& arguments, const runtime::Stdio& stdio,
                          MonotonicNanos patience = kRuntimeTime);

// The message of the last error in a log of lines like {"level":"error","msg":"…"}; empty: there is none.
std::string last_error(std::string_view log);

}  // namespace slipway::monitor
