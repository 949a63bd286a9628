// The engine's cgroup port on this host's cgroup v2 tree.
#pragma once

#include <memory>

#include "base/result.h"
#include "engine/context.h"

namespace slipway::engine {

Result<std::unique_ptr<Cgroups>> open_host_cgroups();

}  // namespace slipway::engine
