// Names, sizes and statuses as Kubernetes' clients write and read them.
#include "streaming/protocols.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace slipway::streaming {
namespace {

constexpr int kJsonStatus = 4;

std::string command_name(int version) {
  return version == 1 ? "channel.k8s.io" : fmt::format("v{}.channel.k8s.io", version);
}

std::optional<CommandProtocol> choose(const std::vector<std::string>& offered, std::initializer_list<int> versions) {
  for (const int version : versions)
    if (std::string name = command_name(version); offers(offered, name)) return CommandProtocol{std::move(name), version};
  return std::nullopt;
}

std::string dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Go's decoder takes any case of a field's name.
std::uint16_t number_of(const nlohmann::json& object, std::string_view name, bool& good) {
  for (const auto& [key, value] : object.items()) {
    const bool same = std::equal(key.begin(), key.end(), name.begin(), name.end(), [](char a, char b) { return (a | 0x20) == (b | 0x20); });
    if (same && value.is_number_unsigned() && value.get<std::uint64_t>() <= UINT16_MAX) return value.get<std::uint16_t>();
  }
  good = false;
  return 0;
}

}  // namespace

std::vector<std::string> split_names(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::string_view name = trim(cut(list, ','), " \t");
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

bool offers(const std::vector<std::string>& offered, std::string_view name) {
  return std::find(offered.begin(), offered.end(), name) != offered.end();
}

std::optional<CommandProtocol> choose_spdy_command(const std::vector<std::string>& offered) {
  if (offered.empty()) return CommandProtocol{"", 1};
  return choose(offered, {4, 3, 2, 1});
}

std::optional<CommandProtocol> choose_web_socket_command(const std::vector<std::string>& offered) {
  return choose(offered, {5, 4, 1});
}

std::optional<TerminalSize> parse_terminal_size(std::string_view json) {
  const auto object = nlohmann::json::parse(json, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  bool good = true;
  TerminalSize size;
  size.width = number_of(object, "Width", good);
  size.height = number_of(object, "Height", good);
  if (!good) return std::nullopt;
  return size;
}

std::string exit_status(int version, std::int32_t code) {
  if (version < kJsonStatus) return code == 0 ? "" : fmt::format("command terminated with exit code {}", code);
  if (code == 0) return dump({{"metadata", nlohmann::json::object()}, {"status", "Success"}});
  return dump({{"metadata", nlohmann::json::object()},
               {"status", "Failure"},
               {"message", fmt::format("command terminated with exit code {}", code)},
               {"reason", "NonZeroExitCode"},
               {"details", {{"causes", {{{"reason", "ExitCode"}, {"message", std::to_string(code)}}}}}}});
}

std::string failure_status(int version, const Error& error) {
  if (version < kJsonStatus) return error.message;
  return dump({{"metadata", nlohmann::json::object()},
               {"status", "Failure"},
               {"message", error.message},
               {"reason", "InternalError"},
               {"details", {{"causes", {{{"message", error.message}}}}}},
               {"code", 500}});
}

}  // namespace slipway::streaming
