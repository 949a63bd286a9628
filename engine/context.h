// What every operation works with: the records, the other rooms' ports, the monitors, and who is at work on what.
//
// Owner: EngineImpl. Any thread; the parts lock themselves.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "cgroups/stats.h"
#include "engine/apparmor.h"
#include "engine/chores.h"
#include "engine/engine.h"
#include "engine/exec_sessions.h"
#include "engine/host_facts.h"
#include "engine/locks.h"
#include "engine/monitors.h"
#include "engine/paths.h"
#include "engine/pod_events.h"
#include "engine/ports.h"
#include "engine/relabel.h"
#include "engine/stops.h"
#include "engine/store.h"

namespace slipway::engine {

// What the kernel's cgroups do for the engine, so that unit tests run without any.
class Cgroups {
 public:
  virtual ~Cgroups() = default;
  virtual Result<void> make(const std::string& path) = 0;
  virtual Result<void> kill_and_remove(const std::string& path) = 0;  // absent = ok
  virtual Result<void> apply(const std::string& path, const oci::Resources& resources) = 0;
  virtual Result<void> set_oom_score(const std::string& path, int value) = 0;
  virtual Result<cgroups::Stats> stats(const std::string& path) = 0;
  virtual Result<std::vector<pid_t>> processes(const std::string& path) = 0;  // in it and beneath
};

struct Timeouts {
  std::chrono::milliseconds lock = std::chrono::seconds(100);    // the kubelet gives most calls two minutes
  std::chrono::milliseconds monitor = std::chrono::seconds(60);  // create and start: overlay, exec of a cold disk
  std::chrono::milliseconds quick = std::chrono::seconds(10);    // signals, logs
  std::chrono::milliseconds kill = std::chrono::seconds(20);     // from SIGKILL to the exit event
  std::chrono::milliseconds place = std::chrono::seconds(5);     // for a place among those that may take long
};

struct Context {
  EngineOptions options;
  HostFacts host;
  Labeller labeller;  // of volumes
  std::string boot_id;
  Images* images = nullptr;
  Network* network = nullptr;
  Cgroups* cgroups = nullptr;
  MonitorStarter* starter = nullptr;
  Timeouts timeouts;

  PodEvents events;  // outlives the store, which publishes into it
  std::unique_ptr<Store> store;
  Monitors monitors;
  KeyedLock pod_locks;                 // by pod id
  InFlight<std::string> running_pods;  // by name, namespace, uid, attempt
  InFlight<std::string> creating;      // by pod, name, attempt
  InFlight<bool> relabelling;          // by label and path
  Places relabellers;                  // whoever does that or waits for it
  std::mutex levels;                   // held from the look for a free SELinux level to the record that has it
  Stops stops;
  ExecSessions execs;
  AppArmor apparmor;
  Chores chores;          // lost monitors
  Chores network_chores;  // of their own: a plugin that hangs must not keep an exit from being told

  PodPaths paths_of(const std::string& pod_id) const {
    return pod_paths(options.state, options.netns_directory, options.cgroup_driver, pod_id);
  }
};

}  // namespace slipway::engine
