// What exec and exec_sync have in common: the process object that a command gets, and its session in the monitor.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "engine/context.h"

namespace slipway::engine {

// The container's own process object with another command: same user, capabilities, environment, directory. A memfd.
Result<UniqueFd> exec_process(const Context& context, const ContainerRecord& record, const std::vector<std::string>& command, bool tty);

// SIGKILL to the process of a session and to its process group. Best effort: it may have ended.
void kill_exec(Context& context, MonitorClient& client, const std::string& session, const std::string& container);

}  // namespace slipway::engine
