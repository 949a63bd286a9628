// An exec or attach session between slipwayd's streaming server and this program's own input, output and terminal.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/stream_connection.h"

namespace slipway::cli {

struct RemoteCommand {
  StreamUrl url;
  bool in = false;   // send standard input
  bool tty = false;  // the process has a terminal: ours is made raw, and its size is told
};

// Until the session's end. Its exit code; 128 + N where signal N ended us. The terminal is as before in every case.
// An error: no session came about, or it broke off, or the server told why there is no exit code.
Result<int> run_remote(const RemoteCommand& command);

}  // namespace slipway::cli
