// A network's plugins as one: ADD in order, DEL in reverse.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "network/config.h"
#include "network/invoke.h"
#include "network/json.h"

namespace slipway::network {

inline constexpr const char* kInterface = "eth0";

struct ChainCall {
  std::string container_id;
  std::string netns;
  std::string args;
  Json capabilities = Json::object();
  std::vector<std::string> bin_dirs;
  Deadline deadline;
  int keep = -1;  // borrowed: held by every plugin for as long as it lives; -1 = none
};

// The last plugin's result, in the list's version. On failure `begun` plugins may have left something behind.
Result<Json> add_chain(const NetworkConfig& network, const ChainCall& call, std::size_t& begun);

// DEL of the first `count` plugins, last first. Every one is asked, also after a failure: one broken plugin must not keep the
// others' addresses and rules. The first failure is returned. `result`: of ADD, or null where none is known.
Result<void> del_chain(const NetworkConfig& network, const ChainCall& call, const Json& result, std::size_t count);

}  // namespace slipway::network
