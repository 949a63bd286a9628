// The terminal's other end: sent to a console socket, or relayed to our own terminal.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "sys/process.h"

namespace slipway::runtime::command {

// The pty's master as SCM_RIGHTS to a listening stream socket, as runc's --console-socket.
Result<void> send_console(const std::string& socket_path, FdRef master);

enum class ProcessKind { first, further };  // of create and run, of exec

// The process's descriptor likewise, as runc's --pidfd-socket: to whoever shall signal and wait for it without its number.
Result<void> send_pidfd(const std::string& socket_path, ProcessKind kind, FdRef pidfd);

// Copies between `master` and our standard descriptors until the process ends; our terminal is raw meanwhile and follows
// its size. Signals that come to us go to the process.
Result<sys::ExitStatus> relay_console(FdRef master, FdRef pidfd);

// Waits for our child; signals that come to us go to it. `block_signals` must have been called before it was cloned.
Result<sys::ExitStatus> wait_foreground(FdRef pidfd);

// All that can be blocked; init unblocks them for itself.
Result<void> block_signals();

}  // namespace slipway::runtime::command
