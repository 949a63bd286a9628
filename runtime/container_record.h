// What `slipway` remembers of a container between two of its calls: state.json in the container's state directory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::runtime {

struct ContainerRecord {
  std::string oci_version;
  std::string id;
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // field 22 of /proc/PID/stat: with the pid it names a process for good
  std::string bundle;
  std::string rootfs;
  std::string cgroup;                    // beneath the cgroup2 root; empty: it has none of its own
  bool scope = false;                    // the cgroup is a systemd scope
  bool cgroup_kept = false;              // the cgroup was there before the container, and stays
  bool hooks = false;                    // config.json has hooks for start or delete
  bool host_root = false;                // no mount namespace of its own: the root is mounted on the host (host_root.h)
  std::string created;                   // RFC 3339
  std::vector<std::string> descriptors;  // what 0, 1 and 2 were when it was made: "pipe:[123]", a path; empty with a terminal
  bool checkpointed = false;             // its end was a checkpoint's: a restore may take its name
  std::vector<std::string> resctrl;      // classes and groups of resctrl that go with it (intel_rdt.h)
  std::map<std::string, std::string> annotations;
};

std::string write_record(const ContainerRecord& record);
Result<ContainerRecord> parse_record(std::string_view json);

enum class Status { creating, created, running, paused, stopped };
std::string_view to_string(Status status);

// The state of the specification (runtime.md, "State"), with runc's additions rootfs, created and owner.
std::string write_state(const ContainerRecord& record, Status status, std::string_view owner);

// The specification's members alone, as hooks and seccomp agents get them.
std::string write_hook_state(const ContainerRecord& record, Status status);

}  // namespace slipway::runtime
