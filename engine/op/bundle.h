// A container's files before it has a process: config.json, process.json, and what its monitor will be asked when it is started.
#pragma once

#include <string>

#include "base/result.h"
#include "engine/paths.h"
#include "engine/spec/builder.h"
#include "oci/spec.h"
#include "slipway/monitor.pb.h"

namespace slipway::engine {

// All of a new one. Its id was never used before, and nobody reads it before its record is committed: what a slipwayd that is killed here
// leaves is removed by the next, so nothing is renamed into place.
Result<void> make_bundle(const std::string& bundle, const PlannedSpec& planned, const monitor::CreateContainer& request);

// Each file is replaced whole. The directory is there.
Result<void> write_specs(const std::string& bundle, const oci::Spec& spec);

Result<oci::Spec> read_config(const std::string& bundle);
Result<monitor::CreateContainer> kept_request(const std::string& bundle);

// All of it; absent = ok.
Result<void> remove_bundle(const PodPaths& paths, const std::string& container_id);

}  // namespace slipway::engine
