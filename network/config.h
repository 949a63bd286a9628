// CNI network configuration: a directory's first file as a checked value (CNI specification, section 1).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/json.h"

namespace slipway::network {

inline constexpr std::size_t kMaxPlugins = 64;

// Oldest first. What a configuration without a version means is the first.
inline constexpr std::string_view kCniVersions[] = {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
bool is_supported(std::string_view version);
// Both supported.
bool at_least(std::string_view version, std::string_view bound);

struct PluginConfig {
  std::string type;  // a file name in one of the plugin directories
  Json config;       // the plugin's object as written
};

struct NetworkConfig {
  std::string name;
  std::string version;
  std::vector<PluginConfig> plugins;
  Json source;  // in the form of a list, from which `from_json` makes an equal value: what is kept for DEL
};

// A network configuration list, or one plugin's configuration, which is a list of one.
Result<NetworkConfig> from_json(Json source, std::string_view what);

// By the file's name: .conflist a list, .conf one plugin, .json either.
Result<NetworkConfig> parse_config(std::string_view file, std::string_view text);

}  // namespace slipway::network
