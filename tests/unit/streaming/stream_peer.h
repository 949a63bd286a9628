// A client of the streaming server in its tests: blocking, one connection, SPDY or WebSocket frames by hand.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "base/unique_fd.h"
#include "streaming/spdy_session.h"
#include "streaming/tls.h"

namespace slipway::test {

class Connection {
 public:
  // `trust`: by TLS.
  explicit Connection(const std::string& url, const streaming::TlsTrust* trust = nullptr) {
    const std::size_t colon = url.rfind(':');
    const std::size_t slash = url.find('/', colon);
    path_ = url.substr(slash);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(colon + 1, slash - colon - 1))));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    if (trust == nullptr) return;
    auto made = streaming::connect_tls(fd, *trust, "127.0.0.1");
    if (!made.ok()) FAIL(made.error().message);
    tls = std::move(made).take();
  }

  // The reply's head; what came behind it is in `rest`.
  std::string ask(const std::string& fields) {
    write("GET " + path_ + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
    std::string got;
    while (got.find("\r\n\r\n") == std::string::npos && read(got)) continue;
    const std::size_t end = got.find("\r\n\r\n");
    if (end == std::string::npos) return got;
    rest = got.substr(end + 4);
    return got.substr(0, end);
  }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = tls != nullptr ? SSL_write(tls.get(), bytes.data(), static_cast<int>(bytes.size()))
                                       : ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // the server has closed: what it said shows
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  // false: the end of the connection. Fails the test when nothing comes for long.
  bool read(std::string& into) {
    pollfd polled{fd.get(), POLLIN, 0};
    if (tls == nullptr || SSL_pending(tls.get()) == 0) REQUIRE(::poll(&polled, 1, 20'000) == 1);
    char buffer[4096];
    const ssize_t n = tls != nullptr ? SSL_read(tls.get(), buffer, sizeof buffer) : ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    into.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  UniqueFd fd;
  streaming::SslPtr tls;
  std::string rest;

 private:
  std::string path_;
};

// What a SPDY client hears.
class SpdyPeer final : private streaming::SpdyEvents {
 public:
  SpdyPeer(const std::string& url, const std::string& protocol, const streaming::TlsTrust* trust = nullptr) : connection(url, trust) {
    head = connection.ask("Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: " + protocol + "\r\n");
  }
  streaming::StreamId open(const std::string& type) { return ids[type] = session.open({{"streamtype", type}}); }
  streaming::StreamId open(const std::string& type, const std::string& port, const std::string& request) {
    return session.open({{"streamtype", type}, {"port", port}, {"requestid", request}});
  }
  std::string text(const std::string& type) { return data[ids[type]]; }
  bool wait_for(const std::function<bool()>& condition) {
    std::string bytes = std::exchange(connection.rest, {});
    for (;;) {
      if (!bytes.empty()) REQUIRE(session.feed(bytes).ok());
      if (condition()) return true;
      bytes.clear();
      if (ended || !connection.read(bytes)) {
        ended = true;
        return condition();
      }
    }
  }
  bool wait_end() {
    return wait_for([this] { return ended; });
  }

  Connection connection;
  std::string head;
  std::map<std::string, streaming::StreamId> ids;
  std::map<streaming::StreamId, std::string> data;
  std::set<streaming::StreamId> finished, reset;
  bool going_away = false, ended = false;
  streaming::SpdySession session{*this, [this](std::string frame) { connection.write(frame); }};

 private:
  void on_stream(streaming::StreamId, const streaming::Headers&) override {}
  void on_data(streaming::StreamId id, std::string_view bytes) override { data[id] += bytes; }
  void on_finished(streaming::StreamId id) override { finished.insert(id); }
  void on_reset(streaming::StreamId id) override { reset.insert(id); }
  void on_going_away() override { going_away = true; }
};

// Of a client: masked with zeros.
inline std::string web_socket_frame(std::uint8_t opcode, std::string_view payload) {
  std::string out(1, static_cast<char>(0x80 | opcode));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else {
    out += static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> shift);
  }
  return out + std::string(4, '\0') + std::string(payload);
}

}  // namespace slipway::test
