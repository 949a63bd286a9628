// What an ADD gave: results of CNI 0.1.0 to 1.1.0 brought into the form of the list's version, and the pod's addresses in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/json.h"

namespace slipway::network {

// A plugin's standard output after a successful ADD, as the next plugin's prevResult: in the list's version, whatever the
// plugin speaks (section 2 of the specification asks for the same version; old plugins answer in theirs).
Result<Json> parse_result(std::string_view text, std::string_view list_version);

// The addresses of the pod's interface without prefix lengths, in the order that the plugins chose; the first is the pod's
// primary one. Addresses of other interfaces (a bridge, a host's end) are not the pod's.
Result<std::vector<std::string>> pod_addresses(const Json& result, std::string_view if_name);

}  // namespace slipway::network
