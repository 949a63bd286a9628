// The container's /dev: default devices, links and directories, and those of linux.devices (config-linux.md, "Default Devices").
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"
#include "runtime/user_namespace.h"
#include "sys/mount.h"

namespace slipway::runtime {

struct DevContent {
  const std::vector<oci::Device>* devices = nullptr;  // linux.devices
  std::vector<std::string> directories;               // mount points beneath /dev, relative to it
  std::vector<std::string> files;                     // the same for files
  bool console = false;                               // a file for the terminal to be bound on
  const UserNamespace* user = nullptr;                // whose root owns it all; nullptr: the host's
};

// A node that the kernel did not let us make, as in a user namespace: there is an empty file, for the host's node to be bound on.
struct RefusedDevice {
  std::string target;  // in the root
  std::string source;  // on the host
  mode_t type = 0;     // what it has to be
  dev_t number = 0;
};

// Fills an empty or existing directory, everything by descriptor; linux.devices win over the default ones of the same path. What is there
// already stays, unless it is no such device.
Result<void> populate_dev(FdRef dev, const DevContent& content, std::vector<RefusedDevice>& refused);

// linux.devices outside /dev, in the root.
Result<void> make_other_devices(FdRef root, const std::vector<oci::Device>& devices, const UserNamespace* user,
                                std::vector<RefusedDevice>& refused);

// A detached bind of the host's node, proven to be that device.
Result<UniqueFd> clone_device(const RefusedDevice& device);

// The verified /dev/null of the host: character device 1:3 (CVE-2025-31133).
Result<UniqueFd> open_null(int flags);
// A detached, private bind of it.
Result<sys::DetachedMount> clone_null();

}  // namespace slipway::runtime
