// Making transports of upgraded connections; the only header of Asio's that sessions need not see.
#pragma once

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "streaming/stream.h"
#include "streaming/transport.h"

namespace slipway::streaming {

using HttpRequest = boost::beast::http::request<boost::beast::http::empty_body>;

// The upgrade's reply has been written; `early` is what came behind the request already.
std::shared_ptr<Transport> make_stream_transport(Stream stream, std::string early, std::chrono::seconds idle);

// Answers the handshake, then calls `ready`; without a call the client went away. `protocol` is the chosen Sec-WebSocket-Protocol.
void accept_web_socket(Stream stream, const HttpRequest& request, const std::string& protocol, std::chrono::seconds idle,
                       std::function<void(std::shared_ptr<Transport>)> ready);

}  // namespace slipway::streaming
