// A container's files before it has a process: config.json, process.json, and what its monitor will be asked when it is started.
#pragma once

#include <string>

#include "base/result.h"
#include "engine/paths.h"
#include "oci/spec.h"
#include "slipway/monitor.pb.h"

namespace slipway::engine {

// Each file is replaced whole. The directory is there.
Result<void> write_specs(const std::string& bundle, const oci::Spec& spec);
Result<oci::Spec> read_config(const std::string& bundle);

Result<void> keep_request(const std::string& bundle, const monitor::CreateContainer& request);
Result<monitor::CreateContainer> kept_request(const std::string& bundle);

// All of it; absent = ok.
Result<void> remove_bundle(const PodPaths& paths, const std::string& container_id);

}  // namespace slipway::engine
