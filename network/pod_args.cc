// Turns a pod's request into CNI's words.
#include "network/pod_args.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace slipway::network {
namespace {

// Kubernetes' own bounds for a pod's bandwidth, in bits per second.
constexpr std::uint64_t kMinBandwidth = 1'000;
constexpr std::uint64_t kMaxBandwidth = 1'000'000'000'000'000;

Result<void> check_argument(std::string_view key, std::string_view value) {
  for (const char c : value)
    if (c == ';' || c == '=' || static_cast<unsigned char>(c) < 0x20)
      return fail(Code::invalid_argument, "CNI argument {}: '{}' has a character that CNI_ARGS cannot carry", key, excerpt(value, 80));
  return {};
}

Json port_mappings(const engine::NetworkRequest& request) {
  Json out = Json::array();
  for (const engine::PortMapping& mapping : request.port_mappings) {
    if (mapping.host_port <= 0) continue;
    Json item = {{"hostPort", mapping.host_port}, {"containerPort", mapping.container_port}, {"protocol", mapping.protocol}};
    if (!mapping.host_ip.empty()) item["hostIP"] = mapping.host_ip;
    out.push_back(std::move(item));
  }
  return out;
}

// The burst is what the peers hand on: as good as none, the rate is what counts.
Result<void> add_direction(const engine::NetworkRequest& request, const char* direction, Json& out) {
  const std::string annotation = fmt::format("kubernetes.io/{}-bandwidth", direction);
  const auto it = request.annotations.find(annotation);
  if (it == request.annotations.end()) return {};
  Result<std::uint64_t> rate = parse_quantity(it->second);
  if (!rate.ok()) return std::move(rate).error().within("annotation {}", annotation);
  if (rate.value() < kMinBandwidth || rate.value() > kMaxBandwidth)
    return fail(Code::invalid_argument, "annotation {}: {} is not within {} to {} bits per second", annotation, rate.value(), kMinBandwidth,
                kMaxBandwidth);
  out[fmt::format("{}Rate", direction)] = rate.value();
  out[fmt::format("{}Burst", direction)] = std::numeric_limits<std::uint32_t>::max();
  return {};
}

}  // namespace

Result<std::string> make_args(const engine::NetworkRequest& request) {
  const std::array<std::pair<const char*, const std::string*>, 4> values = {{{"K8S_POD_NAMESPACE", &request.namespace_},
                                                                             {"K8S_POD_NAME", &request.name},
                                                                             {"K8S_POD_INFRA_CONTAINER_ID", &request.pod_id},
                                                                             {"K8S_POD_UID", &request.uid}}};
  std::string out = "IgnoreUnknown=1";
  for (const auto& [key, value] : values) {
    TRY(check_argument(key, *value));
    out += fmt::format(";{}={}", key, *value);
  }
  return out;
}

Result<Json> make_capabilities(const engine::NetworkRequest& request) {
  Json out = Json::object();
  if (Json ports = port_mappings(request); !ports.empty()) out["portMappings"] = std::move(ports);
  Json bandwidth = Json::object();
  TRY(add_direction(request, "ingress", bandwidth));
  TRY(add_direction(request, "egress", bandwidth));
  if (!bandwidth.empty()) out["bandwidth"] = std::move(bandwidth);
  if (!request.annotations.empty()) {
    Json& annotations = out["io.kubernetes.cri.pod-annotations"] = Json::object();
    for (const auto& [key, value] : request.annotations) annotations[key] = value;
  }
  return out;
}

Json plugin_input(const Json& plugin, const std::string& name, const std::string& version, const Json& capabilities, const Json& previous) {
  Json out = plugin;
  out["name"] = name;
  out["cniVersion"] = version;
  out.erase("runtimeConfig");
  out.erase("prevResult");
  const auto declared = plugin.find("capabilities");
  if (declared != plugin.end() && declared->is_object()) {
    for (const auto& [key, wanted] : declared->items())
      if (wanted.is_boolean() && wanted.get<bool>() && capabilities.contains(key)) out["runtimeConfig"][key] = capabilities[key];
  }
  if (!previous.is_null()) out["prevResult"] = previous;
  return out;
}

Result<std::uint64_t> parse_quantity(std::string_view text) {
  static constexpr std::pair<std::string_view, double> kSuffixes[] = {
      {"", 1},     {"m", 1e-3}, {"u", 1e-6}, {"n", 1e-9},    {"k", 1e3},        {"M", 1e6},           {"G", 1e9},
      {"T", 1e12}, {"P", 1e15}, {"E", 1e18}, {"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"Ti", 1099511627776.0}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error == std::errc() && std::isfinite(number) && number >= 0) {
    for (const auto& [name, factor] : kSuffixes) {
      const double value = std::ceil(number * factor);
      if (suffix == name && value < 9e18) return static_cast<std::uint64_t>(value);
    }
  }
  return fail(Code::invalid_argument, "'{}' is not a quantity", excerpt(text, 40));
}

}  // namespace slipway::network
