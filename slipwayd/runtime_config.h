// The tables [runtimes.NAME] of the configuration: one runtime handler each.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/runtime_handlers.h"
#include "slipwayd/toml.h"

namespace slipway::daemon {

using Complain = std::function<void(std::size_t line, const std::string& what)>;

// Everything beneath `runtimes`, as written; what is missing stays empty.
std::vector<engine::RuntimeHandler> read_runtimes(const toml::table& tables, const Complain& complain);

// Whether the handlers can be, by themselves and with the node's cgroup driver: binaries are there, names are unlike.
Result<void> check_runtimes(const std::vector<engine::RuntimeHandler>& handlers, const std::string& default_name,
                            std::string_view cgroup_driver);

// As the engine takes them: what was left empty filled in, slipway's own among them, each asked what it can.
Result<engine::RuntimeHandlers> open_runtimes(std::vector<engine::RuntimeHandler> handlers, const std::string& default_name,
                                              const std::string& cgroup_driver, const std::string& state);

// An example of a table, as comments for the default configuration.
std::string runtimes_example();
nlohmann::json to_json(const std::vector<engine::RuntimeHandler>& handlers);

}  // namespace slipway::daemon
