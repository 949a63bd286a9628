// The engine's cgroup port on this host's cgroup v2 tree.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "engine/context.h"

namespace slipway::engine {

// `driver`: "systemd" wants systemd to answer. Paths of either driver are understood with both.
Result<std::unique_ptr<Cgroups>> open_host_cgroups(const std::string& driver);

}  // namespace slipway::engine
