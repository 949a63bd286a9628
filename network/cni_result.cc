// Converts between the two shapes of CNI results: ip4/ip6 until 0.2.0, a list `ips` since 0.3.0.
#include "network/cni_result.h"

#include <arpa/inet.h>

#include <algorithm>

#include "network/config.h"

namespace slipway::network {
namespace {

constexpr std::size_t kMaxAddresses = 64;

bool is_v6(std::string_view address) {
  return address.find(':') != std::string_view::npos;
}

Result<std::string> without_prefix(const std::string& cidr) {
  std::string address = cidr.substr(0, cidr.find('/'));
  unsigned char buffer[16];
  if (::inet_pton(is_v6(address) ? AF_INET6 : AF_INET, address.c_str(), buffer) != 1)
    return fail(Code::internal, "result: '{}' is not an address", excerpt(cidr, 80));
  return address;
}

void add_old_family(const Json& old, const char* key, const char* version, Json& fresh) {
  const auto family = old.find(key);
  if (family == old.end() || !family->is_object()) return;
  Json ip = {{"version", version}, {"address", string_member(*family, "ip")}};
  if (const std::string gateway = string_member(*family, "gateway"); !gateway.empty()) ip["gateway"] = gateway;
  fresh["ips"].push_back(std::move(ip));
  const auto routes = family->find("routes");
  if (routes == family->end() || !routes->is_array()) return;
  for (const Json& route : *routes) fresh["routes"].push_back(route);
}

Json from_old_shape(const Json& old) {
  Json fresh = Json::object();
  fresh["ips"] = Json::array();
  add_old_family(old, "ip4", "4", fresh);
  add_old_family(old, "ip6", "6", fresh);
  if (const auto dns = old.find("dns"); dns != old.end()) fresh["dns"] = *dns;
  return fresh;
}

// The old shape has room for one address a family: the first.
Json to_old_shape(const Json& fresh) {
  Json old = Json::object();
  const auto ips = fresh.find("ips");
  if (ips != fresh.end() && ips->is_array()) {
    for (const Json& ip : *ips) {
      if (!ip.is_object()) continue;
      const std::string address = string_member(ip, "address");
      const char* key = is_v6(address) ? "ip6" : "ip4";
      if (old.contains(key)) continue;
      old[key] = {{"ip", address}};
      if (const std::string gateway = string_member(ip, "gateway"); !gateway.empty()) old[key]["gateway"] = gateway;
    }
  }
  if (const auto dns = fresh.find("dns"); dns != fresh.end()) old["dns"] = *dns;
  return old;
}

// `ips[].version` is asked for until 0.4.0 and gone since 1.0.0.
void settle_ip_versions(Json& result, std::string_view version) {
  const auto ips = result.find("ips");
  if (ips == result.end() || !ips->is_array()) return;
  for (Json& ip : *ips) {
    if (!ip.is_object()) continue;
    if (at_least(version, "1.0.0"))
      ip.erase("version");
    else
      ip["version"] = is_v6(string_member(ip, "address")) ? "6" : "4";
  }
}

// Whether ips[i] belongs to the pod's interface: `interface` is an index into `interfaces`, absent = the plugin names none.
bool is_of_interface(const Json& ip, const Json& result, std::string_view if_name) {
  const auto index = ip.find("interface");
  if (index == ip.end() || !index->is_number_integer()) return true;
  const auto interfaces = result.find("interfaces");
  const long i = index->get<long>();
  if (interfaces == result.end() || !interfaces->is_array() || i < 0 || static_cast<std::size_t>(i) >= interfaces->size()) return true;
  const Json& interface = (*interfaces)[static_cast<std::size_t>(i)];
  return interface.is_object() && string_member(interface, "name") == if_name && !string_member(interface, "sandbox").empty();
}

Result<void> append(std::vector<std::string>& out, const std::string& cidr) {
  if (out.size() >= kMaxAddresses) return fail(Code::resource_exhausted, "result: more than {} addresses", kMaxAddresses);
  TRY_ASSIGN(std::string address, without_prefix(cidr));
  if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(std::move(address));
  return {};
}

}  // namespace

Result<Json> parse_result(std::string_view text, std::string_view list_version) {
  TRY_ASSIGN(Json result, parse_object(text, "result"));
  std::string version = string_member(result, "cniVersion");
  if (version.empty()) version = list_version;  // 0.1.0 results carry none
  if (!is_supported(version)) return fail(Code::failed_precondition, "result: unknown cniVersion '{}'", excerpt(version, 40));
  const bool is_new = at_least(version, "0.3.0");
  const bool want_new = at_least(list_version, "0.3.0");
  if (is_new && !want_new) result = to_old_shape(result);
  if (!is_new && want_new) result = from_old_shape(result);
  if (want_new) settle_ip_versions(result, list_version);
  result["cniVersion"] = std::string(list_version);
  return result;
}

Result<std::vector<std::string>> pod_addresses(const Json& result, std::string_view if_name) {
  std::vector<std::string> out;
  for (const char* key : {"ip4", "ip6"}) {
    const auto family = result.find(key);
    if (family != result.end() && family->is_object()) TRY(append(out, string_member(*family, "ip")));
  }
  const auto ips = result.find("ips");
  if (ips == result.end() || !ips->is_array()) return out;
  for (const Json& ip : *ips) {
    if (!ip.is_object() || !is_of_interface(ip, result, if_name)) continue;
    TRY(append(out, string_member(ip, "address")));
  }
  return out;
}

}  // namespace slipway::network
