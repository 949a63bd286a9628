// A TCP connection, in the clear or by TLS, as a transport.
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "streaming/queued_transport.h"

namespace slipway::streaming {
namespace {

namespace asio = boost::asio;

class StreamTransport final : public QueuedTransport {
 public:
  StreamTransport(Stream stream, std::string early, std::chrono::seconds idle)
      : QueuedTransport(stream.get_executor(), idle), stream_(std::move(stream)), early_(std::move(early)) {
    Failure ignored;
    socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    socket().set_option(asio::socket_base::keep_alive(true), ignored);
  }

 private:
  void read_some() override {
    const auto self = shared_from_this();
    if (!early_.empty())  // from the loop: whoever starts us is still at work
      return asio::post(stream_.get_executor(), [this, self] { received({}, std::exchange(early_, {})); });
    stream_.async_read_some(asio::buffer(buffer_), [this, self](const Failure& failure, std::size_t n) {
      received(failure, {buffer_.data(), n});
    });
  }
  void write(const std::string& bytes) override {
    asio::async_write(stream_, asio::buffer(bytes),
                      [this, self = shared_from_this()](const Failure& failure, std::size_t) { written(failure); });
  }
  void say_farewell() override { stream_.shut_down(); }
  Socket& socket() override { return stream_.socket(); }

  Stream stream_;
  std::string early_;
  std::array<char, 32 * 1024> buffer_;
};

}  // namespace

std::shared_ptr<Transport> make_stream_transport(Stream stream, std::string early, std::chrono::seconds idle) {
  return std::make_shared<StreamTransport>(std::move(stream), std::move(early), idle);
}

}  // namespace slipway::streaming
