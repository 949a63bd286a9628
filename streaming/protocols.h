// Which protocol a client and we speak: names, choice, and the documents that travel in them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::streaming {

// Of exec and attach: "channel.k8s.io" is 1, "vN.channel.k8s.io" is N. Resizing begins with 3, the JSON status with 4, CLOSE with 5.
struct CommandProtocol {
  std::string name;
  int version = 1;
};

// "a, b" and repeated header fields: every name in the client's order.
std::vector<std::string> split_names(std::string_view list);

// The newest that both know. SPDY: 4 to 1, where nothing was offered 1; WebSocket: 5, 4, 1.
std::optional<CommandProtocol> choose_spdy_command(const std::vector<std::string>& offered);
std::optional<CommandProtocol> choose_web_socket_command(const std::vector<std::string>& offered);

inline constexpr std::string_view kForwardProtocol = "portforward.k8s.io";
inline constexpr std::string_view kForwardTunnel = "SPDY/3.1+portforward.k8s.io";  // SPDY within WebSocket messages

bool offers(const std::vector<std::string>& offered, std::string_view name);

// What a resize stream carries: {"Width": 80, "Height": 24}.
struct TerminalSize {
  std::uint16_t width = 0, height = 0;
};
std::optional<TerminalSize> parse_terminal_size(std::string_view json);

// The last word on the error stream. Version 4 and later: a Kubernetes Status; before: text, empty for success.
std::string exit_status(int version, std::int32_t code);
std::string failure_status(int version, const Error& error);

}  // namespace slipway::streaming
