// Devices by their CDI names: what the host's CDI files want done to a container that is given them.
//
// Files are read at each create, since device plugins write theirs when they like. Blocks for the disk; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/host_facts.h"
#include "oci/spec.h"

namespace slipway::engine {

struct CdiChanges {
  std::vector<std::string> env;         // "NAME=VALUE", in the order of devices
  std::vector<ResolvedDevice> devices;  // uid and gid unset: the container user's; access empty: no rule of its own
  std::vector<oci::Mount> mounts;       // in place of whatever has their destinations
  oci::Hooks hooks;
  std::vector<std::uint32_t> additional_gids;
};

// `names` as CRI sends them; of `directories` a later one's device hides an earlier one's. not_found: no file has the device (which files
// could not be read is said too); failed_precondition: two files of one directory have it; unimplemented: it wants what slipway cannot do.
Result<CdiChanges> resolve_cdi(const std::vector<std::string>& names, const std::vector<std::string>& directories);

}  // namespace slipway::engine
