// The HTTP upgrade, a client's side of streaming/http.cc.
#include "cli/stream_connection.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <chrono>

#include "base/format.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "streaming/transports.h"

namespace slipway::cli {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMaxReply = 16 * 1024;
constexpr auto kPatience = std::chrono::seconds(30);
constexpr auto kIdle = std::chrono::hours(24 * 365);  // the server has an end for idle ones

struct Url {
  asio::ip::tcp::endpoint endpoint;
  std::string host, path;
  bool tls = false;
};

// http[s]://ADDRESS:PORT/PATH with ADDRESS an IP address, as slipwayd writes it.
Result<Url> parse(const std::string& text) {
  const auto wrong = [&] {
    return fail(Code::invalid_argument, "the stream's URL '{}' is not of the form http[s]://ADDRESS:PORT/PATH", text);
  };
  Url url;
  url.tls = text.starts_with("https://");
  if (!url.tls && !text.starts_with("http://")) return wrong();
  const std::size_t begin = text.find("//") + 2;
  const std::size_t slash = text.find('/', begin);
  if (slash == std::string::npos) return wrong();
  url.host = text.substr(begin, slash - begin);
  url.path = text.substr(slash);
  const std::size_t colon = url.host.rfind(':');
  if (colon == std::string::npos || colon == 0) return wrong();
  std::string address = url.host.substr(0, colon);
  if (address.front() == '[' && address.back() == ']') address = address.substr(1, address.size() - 2);
  const auto port = to_number<std::uint16_t>(std::string_view(url.host).substr(colon + 1));
  if (!port) return wrong();
  boost::system::error_code failure;
  url.endpoint = {asio::ip::make_address(address, failure), *port};
  if (failure) return wrong();
  return url;
}

Result<UniqueFd> connect(const Url& url) {
  UniqueFd socket(::socket(url.endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, "make a socket");
  const timeval patience{kPatience.count(), 0};
  for (const int way : {SO_RCVTIMEO, SO_SNDTIMEO})
    if (::setsockopt(socket.get(), SOL_SOCKET, way, &patience, sizeof patience) != 0) return fail_errno(errno, "set a socket's time-out");
  if (::connect(socket.get(), url.endpoint.data(), static_cast<socklen_t>(url.endpoint.size())) != 0)
    return fail_errno(errno, "connect to {}", url.host);
  return socket;
}

// The connection while it is still used by calls that wait.
struct Talk {
  FdRef socket;
  SSL* ssl;  // null: in the clear

  Result<void> write(std::string_view text) const {
    const auto size = static_cast<ssize_t>(text.size());
    if (ssl != nullptr) {  // at once: the mode of partial writes begins with the second record
      if (const int n = SSL_write(ssl, text.data(), static_cast<int>(size)); n != size)
        return fail(Code::unavailable, "write to the streaming server: {}", streaming::reason_of(ssl, n));
      return {};
    }
    if (::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL) != size) return fail_errno(errno, "write to the streaming server");
    return {};
  }

  // 0: the end.
  Result<std::size_t> read(char* into, std::size_t size) const {
    if (ssl != nullptr) {
      const int n = SSL_read(ssl, into, static_cast<int>(size));
      if (n > 0) return static_cast<std::size_t>(n);
      if (streaming::step_of(ssl, n) != streaming::TlsStep::failed)
        return fail(Code::deadline_exceeded, "the streaming server does not answer");
      if (SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN) return 0;
      return fail(Code::unavailable, "read from the streaming server: {}", streaming::reason_of(ssl, n));
    }
    const ssize_t n = ::recv(socket.get(), into, size, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return fail(Code::deadline_exceeded, "the streaming server does not answer");
    if (n < 0) return fail_errno(errno, "read from the streaming server");
    return static_cast<std::size_t>(n);
  }
};

// Up to the end of the reply's head; what came behind it is not the reply's.
Result<std::string> read_reply(const Talk& talk) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  std::string got;
  std::array<char, 2048> buffer;
  while (got.find("\r\n\r\n") == std::string::npos) {
    if (got.size() > kMaxReply) return fail(Code::internal, "the streaming server answers without end");
    if (std::chrono::steady_clock::now() >= end) return fail(Code::deadline_exceeded, "the streaming server does not answer");
    TRY_ASSIGN(const std::size_t n, talk.read(buffer.data(), buffer.size()));
    if (n == 0) break;
    got.append(buffer.data(), n);
  }
  return got;
}

// The server closes after a refusal.
std::string rest_of(const Talk& talk) {
  std::string got;
  std::array<char, 2048> buffer;
  while (got.size() < kMaxReply) {
    const auto n = talk.read(buffer.data(), buffer.size());
    if (!n.ok() || n.value() == 0) break;
    got.append(buffer.data(), n.value());
  }
  return got;
}

// Of a refusal: its body says why.
Error refusal(const std::string& reply, std::size_t head) {
  std::string why = head == std::string::npos ? reply : reply.substr(head + 4);
  while (!why.empty() && why.back() == '\n') why.pop_back();
  if (why.empty()) why = reply.substr(0, reply.find('\r'));
  return fail(Code::failed_precondition, "the streaming server refuses: {}", why);
}

}  // namespace

Result<std::shared_ptr<streaming::Transport>> connect_stream(asio::io_context& loop, const StreamUrl& to, std::string_view protocol) {
  TRY_ASSIGN(const Url url, parse(to.text));
  TRY_ASSIGN(UniqueFd socket, connect(url));
  streaming::SslPtr ssl;
  if (url.tls) {
    TRY_ASSIGN(ssl, streaming::connect_tls(socket, to.trust, url.endpoint.address().to_string()));
  }
  const std::string request = fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: {}\r\nContent-Length: "
      "0\r\n\r\n",
      url.path, url.host, protocol);
  const Talk talk{socket, ssl.get()};
  TRY(talk.write(request));
  TRY_ASSIGN(const std::string reply, read_reply(talk));
  const std::size_t head = reply.find("\r\n\r\n");
  if (head == std::string::npos || !reply.starts_with("HTTP/1.1 101 ")) return refusal(reply + rest_of(talk), head);
  streaming::Socket upgraded(loop);
  boost::system::error_code failure;
  const int number = socket.release();
  upgraded.assign(url.endpoint.protocol(), number, failure);
  if (failure) {
    UniqueFd(number).reset();
    return fail_errno(failure.value(), "watch the connection to {}", url.host);
  }
  if (upgraded.native_non_blocking(true, failure); failure) return fail_errno(failure.value(), "make the connection non-blocking");
  return streaming::make_stream_transport(streaming::Stream(std::move(upgraded), std::move(ssl)), reply.substr(head + 4), kIdle);
}

}  // namespace slipway::cli
