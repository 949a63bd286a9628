// A client's connection, in the clear or by TLS, as an AsyncStream of Asio's: what HTTP, SPDY and WebSocket read and write.
//
// Loop thread only. By TLS the handshake has been made; the socket is non-blocking and OpenSSL reads and writes it itself: nothing is
// copied in between.
#pragma once

#include <openssl/err.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <cerrno>
#include <utility>

#include "streaming/tls.h"

namespace slipway::streaming {

using Socket = boost::asio::ip::tcp::socket;

class Stream {
 public:
  using executor_type = Socket::executor_type;
  using Failure = boost::system::error_code;

  explicit Stream(Socket socket, SslPtr ssl = nullptr) : socket_(std::move(socket)), ssl_(std::move(ssl)) {}

  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    return boost::asio::async_compose<Handler, void(Failure, std::size_t)>(Operation<Reading, Buffers>{*this, buffers}, handler, socket_);
  }
  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    return boost::asio::async_compose<Handler, void(Failure, std::size_t)>(Operation<Writing, Buffers>{*this, buffers}, handler, socket_);
  }

  // Nothing more from us.
  void shut_down() {
    if (!socket_.is_open()) return;  // OpenSSL knows the descriptor by its number, which may be another's by now
    if (ssl_ != nullptr) (void)SSL_shutdown(ssl_.get());
    ERR_clear_error();
    Failure ignored;
    socket_.shutdown(boost::asio::socket_base::shutdown_send, ignored);
  }

 private:
  struct Reading {
    using Buffer = boost::asio::mutable_buffer;
    static int by_tls(SSL* ssl, Buffer buffer, int size) { return SSL_read(ssl, buffer.data(), size); }
    template <class Buffers, class Handler>
    static void plainly(Socket& socket, const Buffers& buffers, Handler&& handler) {
      socket.async_read_some(buffers, std::forward<Handler>(handler));
    }
  };
  struct Writing {
    using Buffer = boost::asio::const_buffer;
    static int by_tls(SSL* ssl, Buffer buffer, int size) { return SSL_write(ssl, buffer.data(), size); }
    template <class Buffers, class Handler>
    static void plainly(Socket& socket, const Buffers& buffers, Handler&& handler) {
      socket.async_write_some(buffers, std::forward<Handler>(handler));
    }
  };

  // By TLS: one call of OpenSSL's on the first buffer that is not empty, repeated when the socket is ready for what it wants.
  template <class Call, class Buffers>
  struct Operation {
    Stream& stream;
    Buffers buffers;
    enum class At { beginning, socket, tls, end } at = At::beginning;
    Failure failure{};
    std::size_t size = 0;

    template <class Self>
    void operator()(Self& self, Failure told = {}, std::size_t n = 0) {
      if (at == At::socket) return self.complete(told, n);
      if (at == At::end) return self.complete(failure, size);
      if (stream.ssl_ == nullptr) {
        at = At::socket;
        const Buffers all = buffers;
        return Call::plainly(stream.socket_, all, std::move(self));
      }
      const bool first = std::exchange(at, At::tls) == At::beginning;
      const TlsStep step = told ? TlsStep::failed : try_once();
      if (step == TlsStep::wants_read) return stream.socket_.async_wait(Socket::wait_read, std::move(self));
      if (step == TlsStep::wants_write) return stream.socket_.async_wait(Socket::wait_write, std::move(self));
      if (told) failure = told;
      if (!first) return self.complete(failure, size);
      at = At::end;  // never from within async_*
      boost::asio::post(stream.get_executor(), std::move(self));
    }

    TlsStep try_once() {
      if (!stream.socket_.is_open()) {
        failure = boost::asio::error::operation_aborted;
        return TlsStep::failed;
      }
      typename Call::Buffer buffer;
      for (auto each = boost::asio::buffer_sequence_begin(buffers); each != boost::asio::buffer_sequence_end(buffers) && buffer.size() == 0;
           ++each)
        buffer = *each;
      if (buffer.size() == 0) return TlsStep::done;
      SSL* ssl = stream.ssl_.get();
      ERR_clear_error();
      errno = 0;
      const int n = Call::by_tls(ssl, buffer, static_cast<int>(std::min<std::size_t>(buffer.size(), 1 << 30)));
      const TlsStep step = step_of(ssl, n);
      if (step == TlsStep::failed) failure = failure_of(ssl, n);
      if (n > 0) size = static_cast<std::size_t>(n);
      return step;
    }
  };

  Socket socket_;
  SslPtr ssl_;
};

// Beast's websocket::stream finds these by name.
inline void beast_close_socket(Stream& stream) {
  Stream::Failure ignored;
  stream.socket().close(ignored);
}
inline void teardown(boost::beast::role_type role, Stream& stream, Stream::Failure& failure) {
  stream.shut_down();
  boost::beast::websocket::teardown(role, stream.socket(), failure);
}
template <class Handler>
void async_teardown(boost::beast::role_type role, Stream& stream, Handler&& handler) {
  stream.shut_down();
  boost::beast::websocket::async_teardown(role, stream.socket(), std::forward<Handler>(handler));
}

}  // namespace slipway::streaming
