// The gRPC server of CRI and of the admin service on one unix socket, where asked for on a second one as containerd.
//
// Owner: slipwayd's main. Calls that run when stop() comes are given time to end; pods are not touched.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "cri/backend.h"

namespace slipway::cri {

struct ServerOptions {
  std::string listen;             // "unix:///run/slipway/slipway.sock"
  std::string containerd_listen;  // the same services and those of containerd's that cAdvisor calls; empty: neither
  Facts facts;
  WorkerLimits workers;
  streaming::Server* streams = nullptr;  // outlives the server; null: Exec, Attach and PortForward are unavailable
};

class Server {
 public:
  // Listening when it returns. The sockets' files must not be there; their directories must.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, engine::Engine& engine, engine::Images& images,
                                               engine::Network& network);
  virtual ~Server() = default;
  // No new calls; those that run have `grace` to end, then they are cancelled. Idempotent.
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace slipway::cri
