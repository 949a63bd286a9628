// Ports of this machine that lead into a pod: listeners on loopback, and a pair of SPDY streams for each connection.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/stream_connection.h"

namespace slipway::cli {

struct ForwardedPort {
  std::uint16_t local = 0;  // 0: one that is free
  std::uint16_t remote = 0;
};

// "REMOTE", "LOCAL:REMOTE" or ":REMOTE".
Result<ForwardedPort> parse_forwarded_port(const std::string& text);

// Until a signal (0), or the server's end of the connection (an error). Says on stdout where it listens.
Result<int> forward_ports(const StreamUrl& url, const std::vector<ForwardedPort>& ports);

}  // namespace slipway::cli
