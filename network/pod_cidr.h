// A CNI configuration made from a template and the node's pod CIDR (CRI UpdateRuntimeConfig), for nodes whose addresses the controller
// manager assigns and where nobody else writes the configuration.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::network {

// "10.1.0.0/24" or "10.1.0.0/24,fd00::/64". invalid_argument where one is no network.
Result<std::vector<std::string>> parse_cidrs(std::string_view text);

// Pure. Placeholders: {{.PodCIDR}} the first network, {{.PodCIDRRanges}} host-local's `ranges`, {{.Routes}} a default route of each family
// that is there. Any other {{…}} is an error: half a template must not become a network.
Result<std::string> render_template(std::string_view text, const std::vector<std::string>& cidrs);

}  // namespace slipway::network
