// What a pod's annotations ask for beyond CRI: limits of processes, a umask, cgroup files, devices, the size of /dev/shm.
//
// Pure. The names are those that users of CRI-O and of NRI's ulimit-adjuster write already, and slipway's own:
//   ulimits.slipway.io/NAME, ulimits.slipway.io      "nofile=1024:4096,memlock=unlimited"; also as NRI's list of {type, soft, hard}
//   ulimits.nri.containerd.io/container.NAME, ulimits.noderesource.dev/container.NAME   the same
//   umask.crio.io                                    "0027"
//   unified-cgroup.crio.io/NAME, unified-cgroup.crio.io   "memory.high=100000000;pids.max=100": what the pod's own limits hold down
//   devices.crio.io                                  "/dev/fuse,/dev/net/tun:/dev/tun:rw": of those that the configuration allows
//   shm-size.crio.io                                 "256Mi"
// NAME is the container's; what names it goes before what is meant for all. CRI-O's older names (io.kubernetes.cri-o.ShmSize, …) mean the
// same.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"
#include "oci/spec.h"

namespace slipway::engine {

// Which of them are honoured, by the configuration; others are notes like any annotation.
struct AnnotationPolicy {
  std::vector<std::string> honoured = {"ulimits", "umask", "unified-cgroup", "devices", "shm-size"};
  std::vector<std::string> devices = {"/dev/fuse", "/dev/net/tun"};
};

struct Wishes {
  std::vector<oci::Rlimit> rlimits;
  std::optional<std::uint32_t> umask;
  std::map<std::string, std::string> unified;
  std::vector<Device> devices;
};

// invalid_argument with the annotation's name where one cannot be read; permission_denied for a device that is not allowed.
Result<Wishes> container_wishes(const Annotations& annotations, const std::string& container, const AnnotationPolicy& policy);
// Of the pod's /dev/shm, in bytes; nullopt: none is asked for.
Result<std::optional<std::int64_t>> shm_size(const Annotations& annotations, const AnnotationPolicy& policy);

}  // namespace slipway::engine
