// The pod network by CNI: ADD and DEL with the host's plugins (CNI specification 0.1.0 to 1.1.0).
//
//   attach:  intent file, synced → ADD p1 → ADD p2 (prevResult) → …   a failure: DEL of what was begun, last first
//   detach:  DEL pn → … → DEL p1, each with the cached result    repeated until it succeeds; then the intent file goes
//
// The network namespace is a bind mount beneath /run/netns that the monitor made; its loopback is up. No plugin does that.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/ports.h"

namespace slipway::network {

struct CniOptions {
  std::string conf_dir = "/etc/cni/net.d";
  std::vector<std::string> bin_dirs = {"/opt/cni/bin", "/usr/lib/cni"};  // absolute; the first that has a plugin wins
  // One verb of one pod, all plugins together. The kubelet waits 4 minutes for a pod.
  std::chrono::milliseconds timeout = std::chrono::seconds(90);
  // Where the configuration of a begun ADD is kept until its DEL succeeded (one file a pod, mode 0600, intents.h): what makes a DEL
  // possible after a crash or a loss of power in between and a change of conf_dir. Empty: nothing is kept, DEL then uses the current
  // configuration.
  std::string intent_dir;
  // Of the configuration that set_pod_cidrs() writes to conf_dir/10-slipway.conflist. Empty: others write configurations.
  std::string conf_template;
};

// invalid_argument where an option cannot be used. A missing or broken configuration is not an error here: ready() says it
// (reason NetworkPluginNotReady; as readiness.h knows it), and attach looks again.
//
// What attach and detach answer:
//   failed_precondition  no usable configuration, a plugin is missing, or it refuses its configuration (CNI codes 1, 2, 6, 7)
//   unavailable          the plugin asks to try again later (CNI code 11)
//   deadline_exceeded    `timeout` passed; the plugin was killed
//   invalid_argument     the pod's name or annotations cannot be told to a plugin
//   internal             all else; the message has the plugin's name, code, msg and details
// NetworkResult::cached is JSON: {"config": the list as ADD used it, "result": the last plugin's result}.
Result<std::unique_ptr<engine::Network>> open_cni(CniOptions options);

}  // namespace slipway::network
