// Pairs of SPDY streams and the connections behind them.
#include "streaming/port_forward.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "streaming/forwarded.h"
#include "streaming/spdy_session.h"

namespace slipway::streaming {
namespace {

namespace asio = boost::asio;
using Failure = boost::system::error_code;

constexpr std::size_t kMaxPairs = SpdySession::kMaxStreams / 2;

struct Pair {
  explicit Pair(const asio::any_io_executor& loop) : patience(loop) {}

  std::string key;
  StreamId data = 0, error = 0;
  std::uint32_t port = 0;
  bool client_done = false, pod_done = false;  // each sends no more
  asio::steady_timer patience;
  std::shared_ptr<Forwarded> connection;
};

class PortForward final : public TransportEvents, public SpdyEvents, public std::enable_shared_from_this<PortForward> {
 public:
  PortForward(const asio::any_io_executor& loop, Jobs& jobs, std::shared_ptr<Transport> transport, ForwardStart start)
      : loop_(loop), jobs_(jobs), transport_(std::move(transport)), start_(std::move(start)), session_(*this, sink()) {}

  void run() { transport_->start(shared_from_this()); }

  void on_bytes(std::string_view bytes) override {
    const auto fed = session_.feed(bytes);
    if (fed.ok()) return;
    log::debug("port forward: {}", fed.error().message);
    end_all();
    transport_->finish();
  }
  void on_writable() override {
    const auto pairs = pairs_;  // one may end meanwhile
    for (const auto& [key, pair] : pairs)
      if (pair->connection) pair->connection->resume();
  }
  void on_gone(const std::string& why) override {
    log::debug("port forward: {}", why);
    end_all();
  }

  void on_stream(StreamId id, const Headers& headers) override;
  void on_data(StreamId id, std::string_view data) override {
    const auto at = streams_.find(id);
    if (at == streams_.end() || at->second->data != id) return;
    at->second->connection->push(data);
    look_at_input();
  }
  void on_finished(StreamId id) override {
    const auto at = streams_.find(id);
    if (at == streams_.end() || at->second->data != id) return;
    const auto pair = at->second;
    pair->client_done = true;
    pair->connection->finish();
    settle(*pair);
  }
  void on_reset(StreamId id) override {
    const auto at = streams_.find(id);
    if (at == streams_.end()) return;
    const auto pair = at->second;
    if (pair->data == id || pair->data == 0) return end(*pair);
    streams_.erase(at);  // nobody reads errors any more; its number stays, so that the request is not begun twice
  }
  void on_going_away() override {}

 private:
  std::function<void(std::string)> sink() {
    return [this](std::string frame) { transport_->send(std::move(frame)); };
  }
  std::shared_ptr<Pair> pair_of(const std::string& key, std::uint32_t port);
  void dial(const std::shared_ptr<Pair>& pair);
  void dialled(const std::shared_ptr<Pair>& pair, Result<UniqueFd>& socket);
  void settle(Pair& pair);
  void end(Pair& pair, const std::string& error = {});
  void end_all();
  void look_at_input();

  const asio::any_io_executor loop_;
  Jobs& jobs_;
  const std::shared_ptr<Transport> transport_;
  const ForwardStart start_;
  SpdySession session_;
  std::map<std::string, std::shared_ptr<Pair>> pairs_;  // by request
  std::map<StreamId, std::shared_ptr<Pair>> streams_;
  std::size_t dialling_ = 0;
  bool clogged_ = false;
};

void PortForward::on_stream(StreamId id, const Headers& headers) {
  const std::string_view type = find_header(headers, "streamtype");
  const auto port = to_number<std::uint16_t>(find_header(headers, "port"));
  if (!port || *port == 0 || (type != "data" && type != "error")) return session_.reset(id, ResetReason::protocol_error);
  // Clients of old open the error stream first and name no request.
  std::string key(find_header(headers, "requestid"));
  if (key.empty()) key = fmt::format("stream {}", type == "error" ? id : id - 2);
  // Also those whose streams are done while the pod has yet to take what came, and those that were reset before they were dialled.
  if (!pairs_.contains(key) && std::max(pairs_.size(), dialling_) >= kMaxPairs) return session_.reset(id, ResetReason::refused_stream);
  const auto pair = pair_of(key, *port);
  StreamId& place = type == "data" ? pair->data : pair->error;
  if (place != 0 || pair->port != *port) return session_.reset(id, ResetReason::protocol_error);
  place = id;
  streams_[id] = pair;
  session_.reply(id);
  if (pair->data != 0 && pair->error != 0) dial(pair);
}

std::shared_ptr<Pair> PortForward::pair_of(const std::string& key, std::uint32_t port) {
  auto& pair = pairs_[key];
  if (pair) return pair;
  pair = std::make_shared<Pair>(loop_);
  pair->key = key;
  pair->port = port;
  Forwarded::Client client;
  client.full = [weak = weak_from_this()] {
    const auto self = weak.lock();
    return self && self->transport_->full();
  };
  const std::weak_ptr<Pair> weak_pair = pair;
  client.data = [weak = weak_from_this(), weak_pair](std::string_view bytes) {
    const auto self = weak.lock();
    const auto here = weak_pair.lock();
    if (self && here) self->session_.send(here->data, bytes);
  };
  client.end = [weak = weak_from_this(), weak_pair] {
    const auto self = weak.lock();
    const auto here = weak_pair.lock();
    if (!self || !here) return;
    // The client may still send; it resets the stream when it is done, or finishes it.
    here->pod_done = true;
    self->session_.finish(here->data);
    self->session_.finish(here->error);
    self->settle(*here);
  };
  client.changed = [weak = weak_from_this(), weak_pair] {
    const auto self = weak.lock();
    const auto here = weak_pair.lock();
    if (self && here) self->settle(*here);
    if (self) self->look_at_input();
  };
  pair->connection = std::make_shared<Forwarded>(loop_, std::move(client));
  pair->patience.expires_after(start_.creation);
  pair->patience.async_wait([weak = weak_from_this(), weak_pair](const Failure& failure) {
    const auto self = weak.lock();
    const auto here = weak_pair.lock();
    if (failure || !self || !here || (here->data != 0 && here->error != 0)) return;
    self->end(*here, "the second stream of the request did not come in time");
  });
  return pair;
}

void PortForward::dial(const std::shared_ptr<Pair>& pair) {
  Failure ignored;
  pair->patience.cancel(ignored);
  ++dialling_;
  const std::weak_ptr<Pair> weak_pair = pair;
  jobs_.run(
      loop_,
      [dial = start_.dial, port = pair->port, weak_pair] {
        if (weak_pair.expired()) return std::make_shared<Result<UniqueFd>>(fail(Code::cancelled, "the client has reset it"));
        return std::make_shared<Result<UniqueFd>>(dial(port));
      },
      [weak = weak_from_this(), weak_pair](const std::shared_ptr<Result<UniqueFd>>& socket) {
        const auto self = weak.lock();
        if (!self) return;
        --self->dialling_;
        if (const auto here = weak_pair.lock()) self->dialled(here, *socket);
      });
}

void PortForward::dialled(const std::shared_ptr<Pair>& pair, Result<UniqueFd>& socket) {
  const auto at = pairs_.find(pair->key);
  if (at == pairs_.end() || at->second != pair) return;  // reset meanwhile
  if (!socket.ok()) return end(*pair, socket.error().message);
  if (const auto connected = pair->connection->connected(std::move(socket.value())); !connected.ok())
    return end(*pair, connected.error().message);
  look_at_input();
}

void PortForward::settle(Pair& pair) {
  if (pair.client_done && pair.pod_done && pair.connection->input_done()) end(pair);
}

void PortForward::end(Pair& pair, const std::string& error) {
  const auto at = pairs_.find(pair.key);
  if (at == pairs_.end()) return;
  const auto held = at->second;
  pairs_.erase(at);
  held->connection->stop();
  if (!error.empty()) session_.send(held->error, error);
  session_.finish(held->error);
  session_.finish(held->data);
  streams_.erase(held->data);
  streams_.erase(held->error);
  Failure ignored;
  held->patience.cancel(ignored);
  look_at_input();
}

void PortForward::end_all() {
  const auto pairs = std::exchange(pairs_, {});
  streams_.clear();
  Failure ignored;
  for (const auto& [key, pair] : pairs) {
    pair->patience.cancel(ignored);
    pair->connection->stop();
  }
}

// A connection that takes nothing holds up its client, and with it the client's others: there is one TCP stream for all.
void PortForward::look_at_input() {
  bool clogged = false;
  for (const auto& [key, pair] : pairs_) clogged = clogged || pair->connection->clogged();
  if (clogged == clogged_) return;
  clogged_ = clogged;
  transport_->pause(clogged);
}

}  // namespace

void run_port_forward(const asio::any_io_executor& loop, Jobs& jobs, std::shared_ptr<Transport> transport, ForwardStart start) {
  std::make_shared<PortForward>(loop, jobs, std::move(transport), std::move(start))->run();
}

}  // namespace slipway::streaming
