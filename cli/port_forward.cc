// Accepting, and streams for what was accepted.
#include "cli/port_forward.h"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <list>
#include <map>
#include <memory>

#include "base/format.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/stream_connection.h"
#include "streaming/forwarded.h"
#include "streaming/protocols.h"
#include "streaming/spdy_session.h"

namespace slipway::cli {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Failure = boost::system::error_code;
using streaming::StreamId;

constexpr std::size_t kMaxWords = 4096;

struct Pair {
  StreamId data = 0, error = 0;
  std::uint16_t port = 0;
  bool here_done = false, pod_done = false;  // each sends no more
  std::string words;                         // what the server says of a failure
  std::shared_ptr<streaming::Forwarded> connection;
};

class Forwarder final : public streaming::TransportEvents, public streaming::SpdyEvents, public std::enable_shared_from_this<Forwarder> {
 public:
  Forwarder(asio::io_context& loop, std::shared_ptr<streaming::Transport> transport)
      : loop_(loop),
        transport_(std::move(transport)),
        session_(*this, [this](std::string frame) { transport_->send(std::move(frame)); }),
        signals_(loop, SIGINT, SIGTERM) {}

  Result<void> listen(const ForwardedPort& port) {
    listeners_.push_back({tcp::acceptor(loop_), asio::steady_timer(loop_), port.remote});
    Listener& listener = listeners_.back();
    const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port.local);
    Failure failure;
    listener.acceptor.open(endpoint.protocol(), failure);
    if (!failure) listener.acceptor.set_option(asio::socket_base::reuse_address(true), failure);
    if (!failure) listener.acceptor.bind(endpoint, failure);
    if (!failure) listener.acceptor.listen(64, failure);
    const tcp::endpoint bound = failure ? tcp::endpoint() : listener.acceptor.local_endpoint(failure);
    if (failure) return fail_errno(failure.value(), "listen on 127.0.0.1:{}", port.local);
    return print(fmt::format("127.0.0.1:{} leads to port {} of the pod\n", bound.port(), port.remote));
  }

  void start() {
    transport_->start(shared_from_this());
    for (Listener& listener : listeners_) accept(listener);
    signals_.async_wait([this](const Failure& failure, int) {
      if (!failure) loop_.stop();
    });
  }

  Result<int> result() const {
    if (why_.empty()) return 0;
    return fail(Code::unavailable, "the connection to slipwayd has ended: {}", why_);
  }

  void on_bytes(std::string_view bytes) override {
    if (const auto fed = session_.feed(bytes); !fed.ok()) transport_->abort(fed.error().message);
  }
  void on_writable() override {
    const auto streams = streams_;  // one may end meanwhile
    for (const auto& [id, pair] : streams)
      if (id == pair->data) pair->connection->resume();
  }
  void on_gone(const std::string& why) override {
    why_ = why;
    loop_.stop();
  }

  void on_stream(StreamId, const streaming::Headers&) override {}
  void on_data(StreamId id, std::string_view data) override {
    const auto at = streams_.find(id);
    if (at == streams_.end()) return;
    const auto pair = at->second;
    if (id == pair->error) {
      pair->words += data.substr(0, kMaxWords - std::min(kMaxWords, pair->words.size()));
      return;
    }
    pair->connection->push(data);
    if (pair->connection->input_done()) end(*pair);  // nobody is there to take it
    look_at_input();
  }
  void on_finished(StreamId id) override {
    const auto at = streams_.find(id);
    if (at == streams_.end()) return;
    const auto pair = at->second;
    if (id == pair->error) {
      if (pair->words.empty()) return;
      (void)print_to(STDERR_FILENO, fmt::format("slipctl: port {}: {}\n", pair->port, pair->words));
      return end(*pair);
    }
    pair->pod_done = true;
    pair->connection->finish();
    settle(*pair);
  }
  void on_reset(StreamId id) override {
    if (const auto at = streams_.find(id); at != streams_.end()) end(*std::shared_ptr<Pair>(at->second));
  }
  void on_going_away() override {}

 private:
  struct Listener {
    tcp::acceptor acceptor;
    asio::steady_timer again;
    std::uint16_t remote;
  };

  void accept(Listener& listener) {
    listener.acceptor.async_accept([this, &listener](const Failure& failure, tcp::socket socket) {
      if (!failure) {
        take(UniqueFd(socket.release()), listener.remote);
        return accept(listener);
      }
      listener.again.expires_after(std::chrono::seconds(1));  // descriptors are short
      listener.again.async_wait([this, &listener](const Failure& stopped) {
        if (!stopped) accept(listener);
      });
    });
  }

  void take(UniqueFd socket, std::uint16_t port) {
    const auto pair = std::make_shared<Pair>();
    pair->port = port;
    const auto headers = [&](const char* type) {
      return streaming::Headers{{"streamtype", type}, {"port", std::to_string(port)}, {"requestid", std::to_string(next_)}};
    };
    pair->error = session_.open(headers("error"));
    session_.finish(pair->error);
    pair->data = session_.open(headers("data"));
    ++next_;
    streams_[pair->error] = streams_[pair->data] = pair;
    const std::weak_ptr<Pair> weak = pair;
    streaming::Forwarded::Client client;
    client.full = [this] { return transport_->full(); };
    client.data = [this, id = pair->data](std::string_view bytes) { session_.send(id, bytes); };
    client.end = [this, weak] {
      const auto here = weak.lock();
      if (!here) return;
      here->here_done = true;
      session_.finish(here->data);
      settle(*here);
    };
    client.changed = [this, weak] {
      if (const auto here = weak.lock()) settle(*here);
      look_at_input();
    };
    pair->connection = std::make_shared<streaming::Forwarded>(loop_.get_executor(), std::move(client));
    if (const auto connected = pair->connection->connected(std::move(socket)); !connected.ok()) {
      (void)print_to(STDERR_FILENO, fmt::format("slipctl: port {}: {}\n", port, connected.error().message));
      end(*pair);
    }
  }

  void settle(Pair& pair) {
    if (pair.here_done && pair.pod_done && pair.connection->input_done()) end(pair);
  }

  void end(Pair& pair) {
    const auto held = streams_.find(pair.data) == streams_.end() ? nullptr : streams_[pair.data];
    if (held == nullptr) return;
    streams_.erase(held->data);
    streams_.erase(held->error);
    held->connection->stop();
    session_.reset(held->data, streaming::ResetReason::cancel);  // nothing, where both sides have finished it
    look_at_input();
  }

  // One TCP stream for all: who takes nothing holds up the others.
  void look_at_input() {
    bool clogged = false;
    for (const auto& [id, pair] : streams_) clogged = clogged || pair->connection->clogged();
    if (clogged != clogged_) transport_->pause(clogged_ = clogged);
  }

  asio::io_context& loop_;
  const std::shared_ptr<streaming::Transport> transport_;
  streaming::SpdySession session_;
  asio::signal_set signals_;
  std::list<Listener> listeners_;
  std::map<StreamId, std::shared_ptr<Pair>> streams_;  // each pair twice
  std::uint64_t next_ = 0;
  bool clogged_ = false;
  std::string why_;
};

Result<std::uint16_t> parse_port(const std::string& text, bool may_be_none) {
  if (text.empty() && may_be_none) return std::uint16_t{0};
  const auto port = to_number<std::uint16_t>(text);
  if (!port || *port == 0) return fail(Code::invalid_argument, "'{}' is no port between 1 and 65535", text);
  return *port;
}

}  // namespace

Result<ForwardedPort> parse_forwarded_port(const std::string& text) {
  const std::size_t colon = text.find(':');
  ForwardedPort port;
  TRY_ASSIGN(port.remote, parse_port(colon == std::string::npos ? text : text.substr(colon + 1), false));
  port.local = port.remote;
  if (colon != std::string::npos) {
    TRY_ASSIGN(port.local, parse_port(text.substr(0, colon), true));
  }
  return port;
}

Result<int> forward_ports(const StreamUrl& url, const std::vector<ForwardedPort>& ports) {
  asio::io_context loop(1);
  TRY_ASSIGN(auto transport, connect_stream(loop, url, streaming::kForwardProtocol));
  const auto forwarder = std::make_shared<Forwarder>(loop, std::move(transport));
  for (const ForwardedPort& port : ports) TRY(forwarder->listen(port));
  forwarder->start();
  loop.run();
  return forwarder->result();
}

}  // namespace slipway::cli
