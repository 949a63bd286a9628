// The root of a container that has no mount namespace of its own: mounted where its maker lives, until the container is deleted.
//
// "If a namespace type is not specified in the namespaces array, the container MUST inherit the runtime namespace of that type"
// (config-linux.md, "Namespaces"). So its mounts are everybody's. They all lie on one mount, a bind of the root on itself, which takes
// them along when it goes; its kernel's number says that it is still that one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"

namespace slipway::runtime {

struct HostRoot {
  std::string path;         // without symbolic links
  std::uint64_t mount = 0;  // of statx(2)
};

// There is no mount namespace in linux.namespaces, or its path leads to the one that this process is in.
Result<bool> keeps_our_mounts(const oci::Spec& spec);

// Where the detached mount `root` is going to be attached. Never over "/".
Result<HostRoot> plan_host_root(const std::string& path, FdRef root);

// With all that is mounted on it. What lies there is left alone if it is another mount.
Result<void> unmount_host_root(const HostRoot& root);

std::string write_host_root(const HostRoot& root);
Result<HostRoot> parse_host_root(std::string_view text);

}  // namespace slipway::runtime
