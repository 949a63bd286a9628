// The streaming server: the URLs that CRI's Exec, Attach and PortForward answer with, and what happens behind them.
//
//   CRI call ── url() ─▶ http[s]://ADDRESS:PORT/exec/TOKEN  GET or POST with an upgrade to SPDY/3.1 or WebSocket, once, within a minute
//
// One thread runs every connection, one the handshakes of TLS; a few more (Jobs) wait for the engine. Owner: slipwayd's main, which stops
// it before the engine.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "engine/engine.h"
#include "streaming/tls.h"

namespace slipway::streaming {

struct ServerOptions {
  std::string address = "127.0.0.1";  // an IP address; whoever reaches it and knows a token is heard
  std::uint16_t port = 0;             // 0 = one that is free
  std::chrono::seconds idle = std::chrono::hours(4);
  std::chrono::seconds creation = std::chrono::seconds(30);  // from the connection to all its streams
  TlsFiles tls;                                              // no certificate: plain HTTP
};

struct StreamRequest {
  enum class Kind { exec, attach, port_forward };
  Kind kind = Kind::exec;
  std::string id;           // of the container; of the pod for port_forward
  engine::StreamSpec spec;  // not for port_forward
};

class Server {
 public:
  // Listening when it returns.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, engine::Engine& engine);
  virtual ~Server() = default;
  // resource_exhausted: too many URLs wait to be used. Any thread.
  virtual Result<std::string> url(StreamRequest request) = 0;
  // Ends every connection; processes of execs are killed. Idempotent.
  virtual void stop() = 0;
};

}  // namespace slipway::streaming
