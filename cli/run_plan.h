// `slipctl run`'s flags → the CRI requests of a pod with one container. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cri/v1/api.pb.h"

namespace slipway::cli {

namespace v1 = ::runtime::v1;

struct RunOptions {
  std::string image;
  std::vector<std::string> command;
  std::string name;                      // empty: made from the image's
  std::vector<std::string> environment;  // NAME=VALUE, or NAME: taken from slipctl's own
  std::vector<std::string> volumes;      // HOST:CONTAINER[:ro]
  std::vector<std::string> ports;        // [IP:]HOST:CONTAINER[/PROTOCOL]
  std::string memory;                    // bytes, with k, m or g
  std::string cpus;                      // 1.5
  std::string pids;
  std::string network = "pod";  // or "host"
  std::string user;             // UID[:GID] or NAME
  std::string working_directory;
  std::string hostname;
  std::vector<std::string> entrypoint;  // instead of the image's
  std::vector<std::string> capabilities_added, capabilities_dropped;
  std::vector<std::string> labels;  // KEY=VALUE
  bool privileged = false, read_only = false, detach = false, remove = false, no_new_privileges = false;
  std::string pull = "missing";  // "always", "never"
};

struct RunPlan {
  v1::PodSandboxConfig pod;
  v1::ContainerConfig container;  // image and log path are set when they are known
};

inline constexpr const char* kMadeByLabel = "io.slipway.made-by";  // value "slipctl": its log directory is slipctl's to remove

// `uid` is the pod's, new and unique; log files go beneath /var/log/pods.
Result<RunPlan> plan_run(const RunOptions& options, const std::string& uid);

Result<std::int64_t> parse_bytes(const std::string& text);

}  // namespace slipway::cli
