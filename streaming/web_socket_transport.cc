// A WebSocket connection (RFC 6455) as a transport: one message out for each send, whole messages in.
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <utility>

#include "streaming/socket_watch.h"
#include "streaming/transports.h"

namespace slipway::streaming {
namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using Failure = boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxMessage = 1 << 20;
constexpr auto kLook = std::chrono::seconds(1);
constexpr auto kFarewell = std::chrono::seconds(5);

class WebSocketTransport final : public Transport, public std::enable_shared_from_this<WebSocketTransport> {
 public:
  WebSocketTransport(Socket socket, std::chrono::seconds idle)
      : stream_(std::move(socket)), timer_(stream_.get_executor()), idle_(idle), active_(Clock::now()) {
    Failure ignored;
    stream_.next_layer().set_option(asio::ip::tcp::no_delay(true), ignored);
    stream_.next_layer().set_option(asio::socket_base::keep_alive(true), ignored);
    stream_.read_message_max(kMaxMessage);
    stream_.auto_fragment(false);
    stream_.binary(true);
    stream_.control_callback([this](websocket::frame_type, boost::beast::string_view) { active_ = Clock::now(); });
  }

  void accept(const HttpRequest& request, const std::string& protocol, std::function<void(std::shared_ptr<Transport>)> ready) {
    stream_.set_option(websocket::stream_base::decorator([protocol](websocket::response_type& response) {
      response.set(boost::beast::http::field::sec_websocket_protocol, protocol);
      response.set(boost::beast::http::field::server, "slipwayd");
    }));
    look_later();
    stream_.async_accept(request, [self = shared_from_this(), ready = std::move(ready)](const Failure& failure) {
      if (failure || self->closed_) return self->close();
      self->accepted_ = true;
      ready(self);
    });
  }

  void start(std::shared_ptr<TransportEvents> events) override {
    events_ = std::move(events);
    read();
  }

  void send(std::string bytes) override {
    if (closed_ || finishing_) return;
    queued_ += bytes.size();
    queue_.push_back(std::move(bytes));
    if (full()) was_full_ = true;
    write();
  }

  bool full() const override { return queued_ >= kFull; }

  void pause(bool paused) override {
    paused_ = paused;
    read();
  }

  void finish() override {
    if (closed_ || finishing_) return;
    finishing_ = true;
    active_ = Clock::now();
    events_.reset();
    write();
    read();
  }

  void abort(const std::string& why) override { gone(why); }

 private:
  void close() {
    if (std::exchange(closed_, true)) return;
    events_.reset();
    Failure ignored;
    timer_.cancel(ignored);
    stream_.next_layer().close(ignored);
  }

  void gone(const std::string& why) {
    const auto events = std::move(events_);
    const bool tell = !closed_ && !finishing_ && events != nullptr;
    close();
    if (tell) events->on_gone(why);
  }

  void read() {
    if (closed_ || reading_ || !accepted_ || (!finishing_ && (paused_ || full()))) return;
    reading_ = true;
    stream_.async_read(message_, [self = shared_from_this()](const Failure& failure, std::size_t) {
      self->reading_ = false;
      if (self->closed_) return;
      if (failure) return self->gone(failure == websocket::error::closed ? "the client closed the connection" : failure.message());
      self->active_ = Clock::now();
      const auto data = self->message_.cdata();
      if (const auto events = self->events_) events->on_bytes({static_cast<const char*>(data.data()), data.size()});
      self->message_.consume(self->message_.size());
      self->read();
    });
  }

  void write() {
    if (closed_ || writing_) return;
    if (queue_.empty()) {
      if (!finishing_) return;
      writing_ = true;  // nothing is written after the close frame
      stream_.async_close(websocket::close_code::normal, [self = shared_from_this()](const Failure&) { self->close(); });
      return;
    }
    writing_ = true;
    stream_.async_write(asio::buffer(queue_.front()), [self = shared_from_this()](const Failure& failure, std::size_t) {
      self->writing_ = false;
      if (self->closed_) return;
      if (failure) return self->gone(failure.message());
      self->active_ = Clock::now();
      self->queued_ -= self->queue_.front().size();
      self->queue_.pop_front();
      self->write();
      self->tell_writable();
    });
  }

  void tell_writable() {
    if (!was_full_ || queued_ > kFull / 2) return;
    was_full_ = false;
    if (const auto events = events_) events->on_writable();
    read();
  }

  void look_later() {
    timer_.expires_after(kLook);
    timer_.async_wait([self = shared_from_this()](const Failure& failure) {
      if (!failure && !self->closed_) self->look();
    });
  }

  void look() {
    const auto quiet = Clock::now() - active_;
    if ((finishing_ || !accepted_) && quiet > kFarewell) return close();
    if (quiet >= idle_) return gone("the connection was idle for too long");
    if (!reading_ && accepted_ && peer_is_gone(stream_.next_layer().native_handle())) return gone("the client closed the connection");
    look_later();
  }

  websocket::stream<Socket, false> stream_;  // without permessage-deflate
  asio::steady_timer timer_;
  const std::chrono::seconds idle_;
  Clock::time_point active_;
  std::shared_ptr<TransportEvents> events_;
  boost::beast::flat_buffer message_;
  std::deque<std::string> queue_;
  std::size_t queued_ = 0;
  bool was_full_ = false;
  bool accepted_ = false;
  bool paused_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  bool closed_ = false;
};

}  // namespace

void accept_web_socket(Socket socket, const HttpRequest& request, const std::string& protocol, std::chrono::seconds idle,
                       std::function<void(std::shared_ptr<Transport>)> ready) {
  std::make_shared<WebSocketTransport>(std::move(socket), idle)->accept(request, protocol, std::move(ready));
}

}  // namespace slipway::streaming
