// What CNI plugins learn about the pod: CNI_ARGS, and runtimeConfig for the capabilities that a plugin declares.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/ports.h"
#include "network/json.h"

namespace slipway::network {

// IgnoreUnknown=1;K8S_POD_NAMESPACE=…;K8S_POD_NAME=…;K8S_POD_INFRA_CONTAINER_ID=…;K8S_POD_UID=… , which Multus, Calico and
// Cilium read. A value with ';' or '=' would become an argument of its own: invalid_argument.
Result<std::string> make_args(const engine::NetworkRequest& request);

// The values of all capabilities that slipway can fill: portMappings (those with a host port), bandwidth (from the pod's
// kubernetes.io/{in,e}gress-bandwidth annotations) and io.kubernetes.cri.pod-annotations.
Result<Json> make_capabilities(const engine::NetworkRequest& request);

// A plugin's input: its own configuration, the list's name and version, of `capabilities` those it declares, prevResult
// unless it is null.
Json plugin_input(const Json& plugin, const std::string& name, const std::string& version, const Json& capabilities, const Json& previous);

// A Kubernetes quantity ("10M", "1Gi", "1.5k", "1e6") as a whole number, rounded up.
Result<std::uint64_t> parse_quantity(std::string_view text);

}  // namespace slipway::network
