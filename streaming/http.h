// One HTTP request of a new connection: read, checked, answered by an upgrade or by why not.
//
// Loop thread only. A connection serves one request; it keeps itself until that is answered or its time is over.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "streaming/transports.h"

namespace slipway::streaming {

struct Upgraded {
  std::shared_ptr<Transport> transport;
  bool spdy = true;  // its bytes are SPDY's; else each message is a channel's
  int version = 1;   // of the remote command protocol
};

// What the requests are about: the server.
class Upgrades {
 public:
  virtual bool knows(std::string_view path) const = 0;       // "exec", …
  virtual bool is_forward(std::string_view path) const = 0;  // its protocols are other ones
  // What to do with the connection once it is upgraded; null: there is no such token (any more).
  virtual std::function<void(Upgraded)> redeem(std::string_view path, const std::string& token) = 0;

 protected:
  ~Upgrades() = default;
};

class HttpConnection {
 public:
  virtual ~HttpConnection() = default;
  virtual void close() = 0;
};

// `upgrades` outlives the loop's work.
std::weak_ptr<HttpConnection> serve_http(Stream stream, std::chrono::seconds patience, std::chrono::seconds idle, Upgrades& upgrades);

}  // namespace slipway::streaming
