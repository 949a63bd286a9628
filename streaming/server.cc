// The listener, its thread and the life of what comes in.
#include "streaming/server.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <thread>

#include "base/log.h"
#include "streaming/command_session.h"
#include "streaming/handshakes.h"
#include "streaming/http.h"
#include "streaming/port_forward.h"
#include "streaming/tokens.h"

namespace slipway::streaming {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Failure = boost::system::error_code;
using Kind = StreamRequest::Kind;

constexpr std::size_t kMaxConnections = 512;
constexpr std::chrono::seconds kHandshake(10);
constexpr std::string_view kPaths[] = {"exec", "attach", "portforward"};

Error asio_error(const Failure& failure, const std::string& what) {
  return fail_errno(failure.value(), "{}", what);
}

class AsioServer final : public Server, public Upgrades {
 public:
  AsioServer(ServerOptions options, engine::Engine& engine)
      : options_(std::move(options)), engine_(engine), acceptor_(loop_), again_(loop_) {}
  ~AsioServer() override { AsioServer::stop(); }

  Result<void> listen() {
    Failure failure;
    const auto address = asio::ip::make_address(options_.address, failure);
    if (failure) return fail(Code::invalid_argument, "streaming.address: '{}' is no IP address", options_.address);
    const std::string where = fmt::format("listen on {} port {} for streams", options_.address, options_.port);
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), failure);
    if (!failure) acceptor_.set_option(asio::socket_base::reuse_address(true), failure);
    if (!failure) acceptor_.bind(endpoint, failure);
    if (!failure) acceptor_.listen(64, failure);
    if (failure) return asio_error(failure, where);
    const auto bound = acceptor_.local_endpoint(failure);
    if (failure) return asio_error(failure, where);
    // The kubelet, which uses the URL, is on this host.
    const bool any = address.is_unspecified();
    const std::string host = any ? (address.is_v4() ? "127.0.0.1" : "::1") : address.to_string();
    if (!options_.tls.certificate.empty()) TRY(open_tls());
    base_ = fmt::format("{}://{}:{}", handshakes_ == nullptr ? "http" : "https", address.is_v4() ? host : "[" + host + "]", bound.port());
    accept();
    thread_ = std::thread([this] { run(); });
    return {};
  }

  Result<std::string> url(StreamRequest request) override {
    const auto path = kPaths[static_cast<std::size_t>(request.kind)];
    TRY_ASSIGN(const std::string token, tokens_.put(std::move(request), now_monotonic()));
    return fmt::format("{}/{}/{}", base_, path, token);
  }

  void stop() override {
    if (handshakes_ != nullptr) handshakes_->stop();
    if (thread_.joinable()) {
      asio::post(loop_, [this] { close_all(); });
      thread_.join();
    }
    jobs_.stop();
    dials_.stop();
  }

  bool knows(std::string_view path) const override { return std::find(std::begin(kPaths), std::end(kPaths), path) != std::end(kPaths); }
  bool is_forward(std::string_view path) const override { return path == kPaths[static_cast<std::size_t>(Kind::port_forward)]; }
  std::function<void(Upgraded)> redeem(std::string_view path, const std::string& token) override;

 private:
  void run() {
    for (;;) {
      try {
        loop_.run();
        return;
      } catch (const std::exception& error) {  // memory; what Boost throws is asked for by error codes
        log::error("streaming: {}", error.what());
      }
    }
  }

  Result<void> open_tls() {
    auto credentials = TlsCredentials::open(options_.tls);
    if (!credentials.ok()) return std::move(credentials).error().within("streaming: TLS");
    const auto patience = std::min<std::chrono::seconds>(options_.creation, kHandshake);
    handshakes_ = std::make_unique<Handshakes>(std::move(credentials).take(), patience, [this](UniqueFd socket, SslPtr ssl) {
      auto held = std::make_shared<std::pair<UniqueFd, SslPtr>>(std::move(socket), std::move(ssl));
      asio::post(loop_, [this, held] { serve_encrypted(std::move(held->first), std::move(held->second)); });
    });
    return {};
  }

  void serve_encrypted(UniqueFd accepted, SslPtr ssl) {
    if (!acceptor_.is_open()) return;
    Socket socket(loop_);
    Failure failure;
    const int number = accepted.release();
    socket.assign(acceptor_.local_endpoint(failure).protocol(), number, failure);
    if (failure) return UniqueFd(number).reset();
    serve(Stream(std::move(socket), std::move(ssl)));
  }

  void accept() {
    acceptor_.async_accept([this](const Failure& failure, Socket socket) {
      if (failure == asio::error::operation_aborted || !acceptor_.is_open()) return;
      if (failure) return accept_later(failure);  // descriptors are short: not at once again
      if (handshakes_ == nullptr) {
        serve(Stream(std::move(socket)));
      } else {
        begin_handshake(std::move(socket));
      }
      accept();
    });
  }

  void accept_later(const Failure& failure) {
    log::warn("streaming: accept: {}", failure.message());
    again_.expires_after(std::chrono::seconds(1));
    again_.async_wait([this](const Failure& stopped) {
      if (!stopped) accept();
    });
  }

  void begin_handshake(Socket socket) {
    Failure failure;
    socket.native_non_blocking(true, failure);
    if (!failure) socket.set_option(tcp::no_delay(true), failure);
    const int number = failure ? -1 : socket.release(failure);
    if (number >= 0) handshakes_->begin(UniqueFd(number));
  }

  void serve(Stream stream) {
    forget_gone();
    // Anybody on this host may connect: whoever has shown no token for the longest makes room.
    if (http_.size() + transports_.size() >= kMaxConnections) {
      if (http_.empty()) return;  // closed: a client may try again
      if (const auto oldest = http_.front().lock()) oldest->close();
      http_.pop_front();
    }
    http_.push_back(serve_http(std::move(stream), options_.creation, options_.idle, *this));
  }

  void forget_gone() {
    std::erase_if(http_, [](const auto& each) { return each.expired(); });
    std::erase_if(transports_, [](const auto& each) { return each.expired(); });
  }

  void close_all() {
    Failure ignored;
    acceptor_.close(ignored);
    again_.cancel(ignored);
    for (const auto& each : http_)
      if (const auto connection = each.lock()) connection->close();
    for (const auto& each : transports_)
      if (const auto transport = each.lock()) transport->abort("slipwayd is shutting down");
  }

  void run_command(const StreamRequest& request, Upgraded upgraded) {
    const engine::StreamSpec& spec = request.spec;
    CommandStart start;
    start.channels = {spec.tty, spec.in, spec.out, spec.err};
    start.creation = options_.creation;
    start.open = [this, request] {
      return request.kind == Kind::exec ? engine_.exec(request.id, request.spec) : engine_.attach(request.id, request.spec);
    };
    const auto make = upgraded.spdy ? make_spdy_wire : make_web_socket_wire;
    run_command_session(loop_.get_executor(), jobs_, make(std::move(upgraded.transport), upgraded.version, start.channels), start);
  }

  void run_forward(const StreamRequest& request, Upgraded upgraded) {
    ForwardStart start;
    start.creation = options_.creation;
    start.dial = [this, id = request.id](std::uint32_t port) { return engine_.dial(id, port); };
    run_port_forward(loop_.get_executor(), dials_, std::move(upgraded.transport), std::move(start));
  }

  const ServerOptions options_;
  engine::Engine& engine_;
  std::string base_;
  Tokens<StreamRequest> tokens_;
  Jobs jobs_;
  Jobs dials_;  // a port that does not answer keeps a thread waiting, and nobody's exec
  asio::io_context loop_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer again_;
  std::list<std::weak_ptr<HttpConnection>> http_;
  std::list<std::weak_ptr<Transport>> transports_;
  std::unique_ptr<Handshakes> handshakes_;  // null: without TLS
  std::thread thread_;
};

std::function<void(Upgraded)> AsioServer::redeem(std::string_view path, const std::string& token) {
  const auto request = tokens_.take(token, now_monotonic());
  if (!request || kPaths[static_cast<std::size_t>(request->kind)] != path) return nullptr;
  return [this, request = *request](Upgraded upgraded) {
    transports_.push_back(upgraded.transport);
    if (request.kind == Kind::port_forward) {
      run_forward(request, std::move(upgraded));
    } else {
      run_command(request, std::move(upgraded));
    }
  };
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, engine::Engine& engine) {
  auto server = std::make_unique<AsioServer>(std::move(options), engine);
  TRY(server->listen());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace slipway::streaming
