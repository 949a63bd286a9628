// The HTTP upgrade, a client's side of streaming/http.cc.
#include "cli/stream_connection.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <chrono>

#include "base/format.h"
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
};

// http://ADDRESS:PORT/PATH with ADDRESS an IP address, as slipwayd writes it.
Result<Url> parse(const std::string& text) {
  const auto wrong = [&] {
    return fail(Code::invalid_argument, "the stream's URL '{}' is not of the form http://ADDRESS:PORT/PATH", text);
  };
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) return wrong();
  const std::size_t slash = text.find('/', kScheme.size());
  if (slash == std::string::npos) return wrong();
  Url url;
  url.host = text.substr(kScheme.size(), slash - kScheme.size());
  url.path = text.substr(slash);
  const std::size_t colon = url.host.rfind(':');
  if (colon == std::string::npos || colon == 0) return wrong();
  std::string address = url.host.substr(0, colon);
  if (address.front() == '[' && address.back() == ']') address = address.substr(1, address.size() - 2);
  std::uint16_t port = 0;
  const char* end = url.host.data() + url.host.size();
  if (const auto number = std::from_chars(url.host.data() + colon + 1, end, port); number.ec != std::errc() || number.ptr != end)
    return wrong();
  boost::system::error_code failure;
  url.endpoint = {asio::ip::make_address(address, failure), port};
  if (failure) return wrong();
  return url;
}

Result<UniqueFd> connect(const Url& url) {
  UniqueFd socket(::socket(url.endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, "make a socket");
  if (::connect(socket.get(), url.endpoint.data(), static_cast<socklen_t>(url.endpoint.size())) != 0)
    return fail_errno(errno, "connect to {}", url.host);
  return socket;
}

// Up to the end of the reply's head; what came behind it is not the reply's.
Result<std::string> read_reply(FdRef socket) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  std::string got;
  std::array<char, 2048> buffer;
  while (got.find("\r\n\r\n") == std::string::npos) {
    if (got.size() > kMaxReply) return fail(Code::internal, "the streaming server answers without end");
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd polled{socket.get(), POLLIN, 0};
    const int ready = left <= 0 ? 0 : ::poll(&polled, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return fail_errno(errno, "wait for the streaming server");
    if (ready == 0) return fail(Code::deadline_exceeded, "the streaming server does not answer");
    const ssize_t n = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(errno, "read from the streaming server");
    if (n == 0) break;
    got.append(buffer.data(), static_cast<std::size_t>(n));
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

Result<std::shared_ptr<streaming::Transport>> connect_stream(asio::io_context& loop, const std::string& text, std::string_view protocol) {
  TRY_ASSIGN(const Url url, parse(text));
  TRY_ASSIGN(UniqueFd socket, connect(url));
  const std::string request = fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: {}\r\nContent-Length: "
      "0\r\n\r\n",
      url.path, url.host, protocol);
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return fail_errno(errno, "write to {}", url.host);
  TRY_ASSIGN(const std::string reply, read_reply(socket));
  const std::size_t head = reply.find("\r\n\r\n");
  if (head == std::string::npos || !reply.starts_with("HTTP/1.1 101 ")) return refusal(reply, head);
  streaming::Socket upgraded(loop);
  boost::system::error_code failure;
  const int number = socket.release();
  upgraded.assign(url.endpoint.protocol(), number, failure);
  if (failure) {
    UniqueFd(number).reset();
    return fail_errno(failure.value(), "watch the connection to {}", url.host);
  }
  return streaming::make_tcp_transport(std::move(upgraded), reply.substr(head + 4), kIdle);
}

}  // namespace slipway::cli
