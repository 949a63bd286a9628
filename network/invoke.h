// One call of one CNI plugin: environment and configuration in, its standard output or its error out (CNI specification, section 2).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"

namespace slipway::network {

inline constexpr std::size_t kMaxPluginOutput = 1 << 20;  // bytes, of stdout and of stderr each

using Deadline = std::chrono::steady_clock::time_point;

struct Invocation {
  std::string plugin;   // its type, for messages
  std::string program;  // its path
  std::string command;  // "ADD", "DEL"
  std::string container_id;
  std::string netns;  // empty on DEL when the namespace is gone
  std::string if_name;
  std::string args;    // CNI_ARGS
  std::string path;    // CNI_PATH: where it finds the plugins it delegates to
  std::string config;  // JSON for its stdin
  int keep = -1;       // borrowed: becomes the plugin's descriptor 3; -1 = none
};

// The first of the directories that has an executable file of that name. not_found names them all.
Result<std::string> find_plugin(const std::string& type, const std::vector<std::string>& directories);

// Blocks until the plugin ends or the deadline passes (deadline_exceeded; the plugin is killed). A plugin that writes
// more than kMaxPluginOutput is killed: resource_exhausted. A failure carries the plugin's own code, msg and details.
Result<std::string> invoke(const Invocation& call, Deadline deadline);

}  // namespace slipway::network
