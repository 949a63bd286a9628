// A WebSocket connection (RFC 6455) as a transport: one message out for each send, whole messages in.
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <utility>

#include "streaming/queued_transport.h"

namespace slipway::streaming {
namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;

constexpr std::size_t kMaxMessage = 1 << 20;

class WebSocketTransport final : public QueuedTransport {
 public:
  WebSocketTransport(Stream stream, std::chrono::seconds idle) : QueuedTransport(stream.get_executor(), idle), stream_(std::move(stream)) {
    Failure ignored;
    socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    socket().set_option(asio::socket_base::keep_alive(true), ignored);
    stream_.read_message_max(kMaxMessage);
    stream_.auto_fragment(false);
    stream_.binary(true);
    stream_.control_callback([this](websocket::frame_type, boost::beast::string_view) { touch(); });
  }

  void accept(const HttpRequest& request, const std::string& protocol, std::function<void(std::shared_ptr<Transport>)> ready) {
    stream_.set_option(websocket::stream_base::decorator([protocol](websocket::response_type& response) {
      response.set(boost::beast::http::field::sec_websocket_protocol, protocol);
      response.set(boost::beast::http::field::server, "slipwayd");
    }));
    keep_time();
    stream_.async_accept(request, [this, self = shared_from_this(), ready = std::move(ready)](const Failure& failure) {
      if (failure || closed()) return close();
      accepted_ = true;
      ready(self);
    });
  }

 private:
  void read_some() override {
    stream_.async_read(message_, [this, self = shared_from_this()](const Failure& failure, std::size_t) {
      // Given away whole: what it is given to may read on.
      const auto message = std::exchange(message_, {});
      const auto data = message.cdata();
      received(failure == websocket::error::closed ? Failure(asio::error::eof) : failure,
               {static_cast<const char*>(data.data()), data.size()});
    });
  }
  void write(const std::string& bytes) override {
    stream_.async_write(asio::buffer(bytes), [this, self = shared_from_this()](const Failure& failure, std::size_t) { written(failure); });
  }
  void say_farewell() override {
    stream_.async_close(websocket::close_code::normal, [this, self = shared_from_this()](const Failure&) { close(); });
  }
  Socket& socket() override { return stream_.next_layer().socket(); }
  bool open() const override { return accepted_; }

  websocket::stream<Stream, false> stream_;  // without permessage-deflate
  boost::beast::flat_buffer message_;
  bool accepted_ = false;
};

}  // namespace

void accept_web_socket(Stream stream, const HttpRequest& request, const std::string& protocol, std::chrono::seconds idle,
                       std::function<void(std::shared_ptr<Transport>)> ready) {
  std::make_shared<WebSocketTransport>(std::move(stream), idle)->accept(request, protocol, std::move(ready));
}

}  // namespace slipway::streaming
