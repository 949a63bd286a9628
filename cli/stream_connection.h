// slipctl's way to the streaming server: the URL that CRI's Exec, Attach and PortForward answer with becomes a SPDY/3.1 connection.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "streaming/tls.h"
#include "streaming/transport.h"

namespace slipway::cli {

inline constexpr std::string_view kCommandProtocol = "v4.channel.k8s.io";

struct StreamUrl {
  std::string text;
  streaming::TlsTrust trust;  // of https
};

// Connects and upgrades, waiting half a minute at most. What the server refuses is an error with its words.
Result<std::shared_ptr<streaming::Transport>> connect_stream(boost::asio::io_context& loop, const StreamUrl& url,
                                                             std::string_view protocol);

}  // namespace slipway::cli
