// Checks of a CNI configuration: what would be used as a path or handed to plugins is looked at here, once.
#include "network/config.h"

#include <algorithm>
#include <iterator>

#include "base/ids.h"

namespace slipway::network {
namespace {

std::ptrdiff_t rank_of(std::string_view version) {
  const auto* const it = std::find(std::begin(kCniVersions), std::end(kCniVersions), version);
  return it == std::end(kCniVersions) ? -1 : it - std::begin(kCniVersions);
}

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Section 1.1: starts alphanumeric, then [A-Za-z0-9_.-]. IPAM plugins make a directory of it.
Result<void> check_network_name(std::string_view name, std::string_view what) {
  const auto allowed = [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; };
  if (name.empty()) return fail(Code::invalid_argument, "{}: no 'name'", what);
  if (name.size() > 255 || !is_alnum(name[0]) || !std::all_of(name.begin(), name.end(), allowed))
    return fail(Code::invalid_argument, "{}: 'name' '{}' is not a network name", what, excerpt(name, 80));
  return {};
}

// cniVersions (1.1.0) lists what the administrator allows: the newest that we know counts.
Result<std::string> choose_version(const Json& source, std::string_view what) {
  std::string version = string_member(source, "cniVersion");
  if (version.empty()) version = kCniVersions[0];
  std::ptrdiff_t best = rank_of(version);
  const auto listed = source.find("cniVersions");
  if (listed != source.end() && listed->is_array()) {
    for (const Json& item : *listed)
      if (item.is_string()) best = std::max(best, rank_of(*item.get_ptr<const std::string*>()));
  }
  if (best < 0) {
    return fail(Code::invalid_argument, "{}: cniVersion '{}' is none of {} to {}", what, excerpt(version, 40), kCniVersions[0],
                *std::prev(std::end(kCniVersions)));
  }
  return std::string(kCniVersions[best]);
}

Result<PluginConfig> parse_plugin(const Json& config, std::string_view what, std::size_t index) {
  if (!config.is_object()) return fail(Code::invalid_argument, "{}: plugin {} is not an object", what, index);
  std::string type = string_member(config, "type");
  if (type.empty()) return fail(Code::invalid_argument, "{}: plugin {} has no 'type'", what, index);
  if (!check_name("type", type).ok())
    return fail(Code::invalid_argument, "{}: plugin type '{}' is not a file name", what, excerpt(type, 80));
  return PluginConfig{std::move(type), config};
}

Json list_of_one(Json plugin) {
  Json list = {{"plugins", Json::array()}};
  for (const char* key : {"name", "cniVersion", "cniVersions"})
    if (const auto it = plugin.find(key); it != plugin.end()) list[key] = *it;
  list["plugins"].push_back(std::move(plugin));
  return list;
}

}  // namespace

bool is_supported(std::string_view version) {
  return rank_of(version) >= 0;
}

bool at_least(std::string_view version, std::string_view bound) {
  return rank_of(version) >= rank_of(bound);
}

Result<NetworkConfig> from_json(Json source, std::string_view what) {
  if (!source.contains("plugins")) source = list_of_one(std::move(source));
  NetworkConfig out;
  out.name = string_member(source, "name");
  TRY(check_network_name(out.name, what));
  TRY_ASSIGN(out.version, choose_version(source, what));
  const Json& plugins = source["plugins"];
  if (!plugins.is_array() || plugins.empty()) return fail(Code::invalid_argument, "{}: no plugins", what);
  if (plugins.size() > kMaxPlugins) return fail(Code::invalid_argument, "{}: {} plugins, more than {}", what, plugins.size(), kMaxPlugins);
  for (const Json& plugin : plugins) {
    TRY_ASSIGN(PluginConfig parsed, parse_plugin(plugin, what, out.plugins.size()));
    out.plugins.push_back(std::move(parsed));
  }
  out.source = std::move(source);
  return out;
}

Result<NetworkConfig> parse_config(std::string_view file, std::string_view text) {
  TRY_ASSIGN(Json source, parse_object(text, file));
  const bool has_plugins = source.contains("plugins");
  if (file.ends_with(".conflist") && !has_plugins) return fail(Code::invalid_argument, "{}: no plugins", file);
  if (file.ends_with(".conf") && has_plugins)
    return fail(Code::invalid_argument, "{}: a list of plugins belongs into a .conflist file", file);
  return from_json(std::move(source), file);
}

}  // namespace slipway::network
