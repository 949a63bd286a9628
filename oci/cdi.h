// The Container Device Interface's documents (CDI specification 1.1, SPEC.md) as values: what a vendor wants done to a container for a
// device.
//
// Pure, any thread. Strict as the specification demands: an unknown field makes a document void. What slipway cannot do (Intel RDT, network
// devices) is parsed into `unsupported`, for whoever asks for that device.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/spec.h"

namespace slipway::oci {

struct CdiDeviceNode {
  std::string path;
  std::string host_path;  // empty: the same
  std::string type;       // "c", "b", "u", "p"; empty: the host's tells
  std::int64_t major = 0, minor = 0;
  std::optional<std::uint32_t> file_mode, uid, gid;
  std::string permissions;  // some of "rwm", "none" or empty, which is all of them
};

struct CdiMount {
  std::string host_path, container_path, type;
  std::vector<std::string> options;
};

struct CdiHook {
  std::string name;  // "createContainer", …
  Hook hook;
};

struct CdiEdits {
  std::vector<std::string> env;  // "NAME=VALUE"
  std::vector<CdiDeviceNode> device_nodes;
  std::vector<CdiMount> mounts;
  std::vector<CdiHook> hooks;
  std::vector<std::uint32_t> additional_gids;
  std::vector<std::string> unsupported;  // names of fields
};

struct CdiSpec {
  std::string version;
  std::string kind;                         // "vendor.com/class"
  std::map<std::string, CdiEdits> devices;  // by name
  CdiEdits edits;                           // of whoever gets any of them
};

Result<CdiSpec> parse_cdi(std::string_view json);

struct CdiName {
  std::string kind, device;
};
// "vendor.com/class=device"
Result<CdiName> parse_cdi_name(std::string_view text);

}  // namespace slipway::oci
