// Handing a filter's listener to the agent at linux.seccomp.listenerPath (config-linux.md, "The Container Process State").
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"
#include "runtime/container_record.h"

namespace slipway::runtime {

// The message: who waits (`pid`), in which container, and what the profile wants the agent to know.
std::string write_process_state(const oci::Seccomp& profile, const ContainerRecord& record, Status status, pid_t pid);

// One connection, one message with the descriptor.
Result<void> send_listener(const oci::Seccomp& profile, const ContainerRecord& record, Status status, pid_t pid, FdRef listener);

}  // namespace slipway::runtime
