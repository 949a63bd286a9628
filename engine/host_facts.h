// What the spec builder must know of this host: read once by probe_host, a plain value afterwards.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/selinux.h"
#include "engine/types.h"
#include "oci/spec.h"

namespace slipway::engine {

struct HostFacts {
  std::string hostname;
  std::string kernel;                                         // uname's release
  std::uint64_t capabilities = (std::uint64_t{1} << 41) - 1;  // what slipwayd holds and can give, a bit each
  std::vector<std::string> hugepage_sizes;                    // "2MB", those whose controller is there
  std::uint64_t open_files = 1 << 20;                         // a container's RLIMIT_NOFILE, whatever slipwayd's own is
  bool swap_accounting = false;                               // memory.swap.max exists
  SelinuxPolicy selinux;
  bool apparmor = false;
  bool apparmor_parser = false;  // what loads the default profile
};

Result<HostFacts> probe_host();

// What Status promises. Pods with user namespaces need overlays of id-mapped layers (Linux 5.19) and a host that allows such namespaces;
// recursive read-only mounts need mount_setattr(2) (5.12).
bool can_map_users();
bool can_set_mount_trees();

// Every device node beneath /dev but terminals, shm and mqueue: what a privileged container gets. Read at each create,
// since devices come and go.
std::vector<oci::Device> list_host_devices(const std::string& directory = "/dev");

// A bind mount of CRI with the host's side looked at.
struct ResolvedMount {
  Mount request;
  std::string source;  // symlinks followed
  bool is_directory = false;
};

// Follows symlinks; a host path that is not there is an error, as is sharing from a mount that is private.
Result<std::vector<ResolvedMount>> resolve_mounts(const std::vector<Mount>& mounts);

struct ResolvedDevice {
  oci::Device device;
  std::string access;  // "rwm"
};

// A device node, or every node in a directory.
Result<std::vector<ResolvedDevice>> resolve_devices(const std::vector<Device>& devices);

}  // namespace slipway::engine
