// What the services stand on: the engine, its ports, the workers, facts about this slipwayd.
#pragma once

#include <string>
#include <vector>

#include "cri/workers.h"
#include "engine/engine.h"

namespace slipway::streaming {
class Server;
}

namespace slipway::cri {

struct HandlerFacts {
  std::string name;  // "": the default one
  bool recursive_read_only_mounts = false;
  bool user_namespaces = false;
};

// What Version, Status and RuntimeConfig tell; fixed for the process's life.
struct Facts {
  std::string version;                     // semver of slipwayd
  std::string cgroup_driver = "cgroupfs";  // or "systemd"
  std::vector<HandlerFacts> runtime_handlers = {HandlerFacts{}};
  bool supplemental_groups_policy = false;
  bool user_namespaces_host_network = false;
  bool mount_options = false;
  engine::Condition runtime{true, "", ""};  // RuntimeReady
  std::string configuration;                // JSON, for verbose Status
};

struct Backend {
  engine::Engine& engine;
  engine::Images& images;
  engine::Network& network;
  Workers& workers;
  Facts facts;
  streaming::Server* streams = nullptr;  // null: no URLs
};

}  // namespace slipway::cri
