// The request that asks for an upgrade.
#include "streaming/http.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <optional>
#include <utility>

#include "base/format.h"
#include "streaming/protocols.h"

namespace slipway::streaming {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Failure = boost::system::error_code;

constexpr std::size_t kMaxHead = 16 * 1024;
constexpr std::string_view kSpdyProtocols = "X-Stream-Protocol-Version";

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

// Of every field with that name.
std::vector<std::string> names_of(const HttpRequest& request, std::string_view field) {
  std::vector<std::string> names;
  const auto range = request.equal_range(boost::beast::string_view(field.data(), field.size()));
  for (auto at = range.first; at != range.second; ++at)
    for (std::string& name : split_names(view(at->value()))) names.push_back(std::move(name));
  return names;
}

// "/exec/TOKEN" or "/exec/TOKEN?…"
struct Target {
  std::string path, token;
};
std::optional<Target> parse_target(std::string_view target) {
  target = target.substr(0, target.find('?'));
  if (!target.starts_with('/')) return std::nullopt;
  target.remove_prefix(1);
  const std::size_t slash = target.find('/');
  if (slash == std::string_view::npos || slash + 1 == target.size()) return std::nullopt;
  return Target{std::string(target.substr(0, slash)), std::string(target.substr(slash + 1))};
}

class Connection final : public HttpConnection, public std::enable_shared_from_this<Connection> {
 public:
  Connection(Stream stream, std::chrono::seconds idle, Upgrades& upgrades)
      : stream_(std::move(stream)), timer_(stream_.get_executor()), idle_(idle), upgrades_(upgrades) {}

  void run(std::chrono::seconds patience) {
    timer_.expires_after(patience);
    timer_.async_wait([self = shared_from_this()](const Failure& failure) {
      if (!failure) self->close();
    });
    parser_.header_limit(kMaxHead);
    parser_.body_limit(0);
    http::async_read(stream_, buffer_, parser_, [self = shared_from_this()](const Failure& failure, std::size_t) {
      if (!failure) return self->answer();
      if (failure == http::error::header_limit || failure == http::error::body_limit)
        return self->refuse(http::status::bad_request, "the request is too large");
      self->close();
    });
  }

  void close() override {
    Failure ignored;
    timer_.cancel(ignored);
    stream_.socket().close(ignored);
  }

 private:
  void answer();
  void answer_spdy(const Target& target);
  void answer_web_socket(const Target& target);
  void refuse(http::status status, const std::string& why);
  void write(http::response<http::string_body> response, std::function<void()> then);
  std::function<void(Upgraded)> redeem(const Target& target);

  Stream stream_;
  asio::steady_timer timer_;
  const std::chrono::seconds idle_;
  Upgrades& upgrades_;
  boost::beast::flat_buffer buffer_{kMaxHead + 64 * 1024};
  http::request_parser<http::empty_body> parser_;
};

void Connection::write(http::response<http::string_body> response, std::function<void()> then) {
  auto held = std::make_shared<http::response<http::string_body>>(std::move(response));
  held->set(http::field::server, "slipwayd");
  http::async_write(stream_, *held, [self = shared_from_this(), held, then = std::move(then)](const Failure& failure, std::size_t) {
    if (failure) return self->close();
    then();
  });
}

void Connection::refuse(http::status status, const std::string& why) {
  http::response<http::string_body> response(status, 11);
  response.set(http::field::content_type, "text/plain");
  response.keep_alive(false);
  response.body() = why + "\n";
  response.prepare_payload();
  write(std::move(response), [self = shared_from_this()] {
    self->stream_.shut_down();
    self->close();
  });
}

void Connection::answer() {
  const HttpRequest& request = parser_.get();
  if (request.method() != http::verb::get && request.method() != http::verb::post)
    return refuse(http::status::method_not_allowed, "GET or POST");
  const auto target = parse_target(view(request.target()));
  if (!target || !upgrades_.knows(target->path)) return refuse(http::status::not_found, "there is nothing here");
  if (boost::beast::websocket::is_upgrade(request)) return answer_web_socket(*target);
  if (request.count(http::field::upgrade) > 0 && boost::beast::iequals(request[http::field::upgrade], "SPDY/3.1"))
    return answer_spdy(*target);
  refuse(http::status::bad_request, "an upgrade to SPDY/3.1 or websocket is wanted");
}

std::function<void(Upgraded)> Connection::redeem(const Target& target) {
  auto begin = upgrades_.redeem(target.path, target.token);
  if (begin == nullptr)
    refuse(http::status::not_found, "there is no such stream, or its URL was used already, or it is older than a minute");
  return begin;
}

void Connection::answer_spdy(const Target& target) {
  const auto offered = names_of(parser_.get(), kSpdyProtocols);
  std::optional<CommandProtocol> chosen;
  if (!upgrades_.is_forward(target.path))
    chosen = choose_spdy_command(offered);
  else if (offered.empty() || offers(offered, kForwardProtocol))
    chosen = CommandProtocol{offered.empty() ? "" : std::string(kForwardProtocol), 1};
  if (!chosen) return refuse(http::status::forbidden, "none of the protocols in X-Stream-Protocol-Version is spoken here");
  const auto begin = redeem(target);
  if (begin == nullptr) return;
  http::response<http::string_body> response(http::status::switching_protocols, 11);
  response.set(http::field::connection, "Upgrade");
  response.set(http::field::upgrade, "SPDY/3.1");
  if (!chosen->name.empty()) response.set(boost::beast::string_view(kSpdyProtocols.data(), kSpdyProtocols.size()), chosen->name);
  write(std::move(response), [self = shared_from_this(), begin, version = chosen->version] {
    Failure ignored;
    self->timer_.cancel(ignored);
    const auto data = self->buffer_.cdata();
    std::string early(static_cast<const char*>(data.data()), data.size());
    begin({make_stream_transport(std::move(self->stream_), std::move(early), self->idle_), true, version});
  });
}

void Connection::answer_web_socket(const Target& target) {
  const HttpRequest& request = parser_.get();
  const auto offered = names_of(request, "Sec-WebSocket-Protocol");
  const bool forward = upgrades_.is_forward(target.path);
  std::optional<CommandProtocol> chosen;
  if (!forward)
    chosen = choose_web_socket_command(offered);
  else if (offers(offered, kForwardTunnel))
    chosen = CommandProtocol{std::string(kForwardTunnel), 1};
  if (!chosen) return refuse(http::status::forbidden, "none of the protocols in Sec-WebSocket-Protocol is spoken here");
  const auto begin = redeem(target);
  if (begin == nullptr) return;
  Failure ignored;
  timer_.cancel(ignored);
  accept_web_socket(std::move(stream_), request, chosen->name, idle_,
                    [begin, forward, version = chosen->version](std::shared_ptr<Transport> transport) {
                      begin({std::move(transport), forward, version});
                    });
}

}  // namespace

std::weak_ptr<HttpConnection> serve_http(Stream stream, std::chrono::seconds patience, std::chrono::seconds idle, Upgrades& upgrades) {
  const auto connection = std::make_shared<Connection>(std::move(stream), idle, upgrades);
  connection->run(patience);
  return connection;
}

}  // namespace slipway::streaming
