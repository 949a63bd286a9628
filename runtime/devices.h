// The container's /dev: default devices, links and directories, and those of linux.devices (config-linux.md, "Default Devices").
#pragma once

#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"
#include "runtime/user_namespace.h"

namespace slipway::runtime {

struct DevContent {
  const std::vector<oci::Device>* devices = nullptr;  // linux.devices
  std::vector<std::string> directories;               // mount points beneath /dev, relative to it
  bool console = false;                               // a file for the terminal to be bound on
  const UserNamespace* user = nullptr;                // whose root owns it all; nullptr: the host's
};

// Fills an empty or existing directory, everything by descriptor. What is there already stays, unless it is no such device.
Result<void> populate_dev(FdRef dev, const DevContent& content);

// linux.devices outside /dev, in the root.
Result<void> make_other_devices(FdRef root, const std::vector<oci::Device>& devices, const UserNamespace* user);

// The verified /dev/null of the host: character device 1:3 (CVE-2025-31133).
Result<UniqueFd> open_null(int flags);

}  // namespace slipway::runtime
