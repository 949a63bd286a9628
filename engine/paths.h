// Where a pod's and a container's files are. Everything is found from the ids alone, so that an intent can be undone by id.
#pragma once

#include <string>
#include <string_view>

#include "engine/cgroup_names.h"

namespace slipway::engine {

struct PodPaths {
  std::string directory;  // STATE/pods/ID, 0700: the monitor's socket and journal, bundles
  std::string files;      // a tmpfs of the monitor's: containers may write to what is in it, and fill no more than that
  std::string hosts, hostname, resolv_conf;
  std::string netns;           // NETNS_DIRECTORY/slipway-ID, bound by the monitor
  std::string monitor_cgroup;  // beneath the cgroup2 root, outside the pod's (field notes §5.6)
};

inline PodPaths pod_paths(const std::string& state, const std::string& netns_directory, std::string_view cgroup_driver,
                          const std::string& id) {
  PodPaths paths;
  paths.directory = state + "/pods/" + id;
  paths.files = paths.directory + "/files";
  paths.hosts = paths.files + "/hosts";
  paths.hostname = paths.files + "/hostname";
  paths.resolv_conf = paths.files + "/resolv.conf";
  paths.netns = netns_directory + "/slipway-" + id;
  paths.monitor_cgroup = monitor_cgroup(cgroup_driver, id);
  return paths;
}

// Of a pod whose monitor an older slipwayd started: it has no tmpfs for them. REMOVE-WHEN: no such monitor can be left
inline PodPaths paths_before_files(PodPaths paths) {
  paths.hosts = paths.directory + "/hosts";
  paths.hostname = paths.directory + "/hostname";
  paths.resolv_conf = paths.directory + "/resolv.conf";
  return paths;
}

inline std::string bundle_path(const PodPaths& pod, const std::string& container_id) {
  return pod.directory + "/containers/" + container_id;
}

}  // namespace slipway::engine
