// A TCP connection as a transport.
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "streaming/queued_transport.h"

namespace slipway::streaming {
namespace {

namespace asio = boost::asio;

class TcpTransport final : public QueuedTransport {
 public:
  TcpTransport(Socket socket, std::string early, std::chrono::seconds idle)
      : QueuedTransport(socket.get_executor(), idle), socket_(std::move(socket)), early_(std::move(early)) {
    Failure ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket_.set_option(asio::socket_base::keep_alive(true), ignored);
  }

 private:
  void read_some() override {
    const auto self = shared_from_this();
    if (!early_.empty())  // from the loop: whoever starts us is still at work
      return asio::post(socket_.get_executor(), [this, self] { received({}, std::exchange(early_, {})); });
    socket_.async_read_some(asio::buffer(buffer_), [this, self](const Failure& failure, std::size_t n) {
      received(failure, {buffer_.data(), n});
    });
  }
  void write(const std::string& bytes) override {
    asio::async_write(socket_, asio::buffer(bytes),
                      [this, self = shared_from_this()](const Failure& failure, std::size_t) { written(failure); });
  }
  void say_farewell() override {
    Failure ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  }
  Socket& socket() override { return socket_; }

  Socket socket_;
  std::string early_;
  std::array<char, 32 * 1024> buffer_;
};

}  // namespace

std::shared_ptr<Transport> make_tcp_transport(Socket socket, std::string early, std::chrono::seconds idle) {
  return std::make_shared<TcpTransport>(std::move(socket), std::move(early), idle);
}

}  // namespace slipway::streaming
