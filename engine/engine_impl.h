// The engine as slipwayd owns it: context, recovery, and every verb passed to its operation.
#pragma once

#include <memory>

#include "base/unique_fd.h"
#include "engine/context.h"
#include "engine/engine.h"

namespace slipway::engine {

// What differs between slipwayd and a unit test.
struct EngineParts {
  Images* images = nullptr;
  Network* network = nullptr;
  std::unique_ptr<Cgroups> cgroups;
  std::unique_ptr<MonitorStarter> starter;
  HostFacts host;
  Labeller labeller = file_labels();
  std::string boot_id;
};

Result<std::unique_ptr<Engine>> open_engine(EngineOptions options, EngineParts parts);

}  // namespace slipway::engine
