// The streaming server by TLS, through real sockets and with certificates made here.
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <future>

#include "streaming/handshakes.h"
#include "tests/unit/streaming/certificates.h"
#include "tests/unit/streaming/served.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::test;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

struct Certified {
  Certified() {
    (void)std::signal(SIGPIPE, SIG_IGN);
    authority.write(dir.path + "/ca.pem");
    authority.certify("server", files.certificate, files.key);
  }
  streaming::TlsTrust trust() const { return {dir.path + "/ca.pem", "", "", ""}; }

  TempDir dir;
  Authority authority{"authority"};
  streaming::TlsFiles files{dir.path + "/server.pem", dir.path + "/server.key", ""};
};

// Why a connection does not come about, also where the server says so after the client's part of the handshake (TLS 1.3).
std::string refusal(const std::string& url, const streaming::TlsTrust& trust) {
  Connection connection(url);
  auto tls = streaming::connect_tls(connection.fd, trust, "127.0.0.1");
  if (!tls.ok()) return tls.error().message;
  char byte = 0;
  const int n = SSL_read(tls.value().get(), &byte, 1);
  return n > 0 ? "" : streaming::reason_of(tls.value().get(), n);
}

}  // namespace

TEST_CASE("exec by SPDY over TLS: much of it in both directions, then the status", "[streaming][tls]") {
  Certified certified;
  Fixture f(60s, 20s, certified.files);
  const auto trust = certified.trust();
  const std::string url = f.url();
  CHECK_THAT(url, Catch::StartsWith("https://127.0.0.1:"));
  SpdyPeer peer(url, kCommand, &trust);
  CHECK_THAT(peer.head, Contains("101 Switching Protocols"));
  open_all(peer);
  REQUIRE(Process::wait(f.process.made));
  const std::string much(3'000'000, 'x');
  std::string heard;
  std::thread process([&] {
    heard = f.process.read_all();
    for (std::size_t at = 0; at < much.size(); at += 10'000) say(f.process.out, much.substr(at, 10'000));
    f.process.exit(3);
  });
  for (std::size_t at = 0; at < much.size(); at += 50'000) peer.session.send(peer.ids["stdin"], much.substr(at, 50'000));
  peer.session.finish(peer.ids["stdin"]);
  CHECK(peer.wait_end());
  process.join();
  CHECK(heard == much);
  CHECK(peer.text("stdout") == much);
  CHECK_THAT(peer.text("error"), Contains("\"ExitCode\"") && Contains("\"3\""));
  CHECK(Process::wait(f.process.destroyed));
}

TEST_CASE("exec by WebSocket over TLS", "[streaming][tls]") {
  Certified certified;
  Fixture f(60s, 20s, certified.files);
  const auto trust = certified.trust();
  Connection connection(f.url(), &trust);
  check_web_socket_exec(f, connection);
}

TEST_CASE("what goes wrong by TLS is refused, and says why", "[streaming][tls]") {
  Certified certified;
  Fixture f(60s, 20s, certified.files);
  const std::string url = f.url();
  const Authority stranger("stranger");
  stranger.write(certified.dir.path + "/stranger.pem");
  CHECK_THAT(refusal(url, {certified.dir.path + "/stranger.pem", "", "", ""}), Contains("certificate"));
  stranger.certify("somebody", certified.dir.path + "/other.pem", certified.dir.path + "/other.key");
  CHECK_THAT(refusal(url, {"", certified.dir.path + "/other.pem", "", ""}), Contains("does not show the certificate"));

  const streaming::TlsTrust exactly{"", certified.files.certificate, "", ""};
  CHECK_THAT(Connection(url, &exactly).ask(""), Contains("400"));
  SECTION("in the clear") {
    std::string got;
    Connection plain(url);
    plain.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    while (plain.read(got)) continue;
    CHECK_THAT(got, !Contains("HTTP/"));
  }
  SECTION("by TLS 1.1") {
    Connection old(url);
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, old.fd.get());
    CHECK(SSL_connect(ssl) != 1);
    SSL_free(ssl);
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    Connection newer(url);
    ssl = SSL_new(context);
    SSL_set_fd(ssl, newer.fd.get());
    CHECK(SSL_connect(ssl) == 1);
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
}

TEST_CASE("with authorities for clients, who shows no certificate of theirs is refused", "[streaming][tls]") {
  Certified certified;
  const Authority clients("clients"), stranger("stranger");
  const std::string& dir = certified.dir.path;
  clients.write(dir + "/clients.pem");
  clients.certify("client", dir + "/client.pem", dir + "/client.pem");
  stranger.certify("client", dir + "/stranger.pem", dir + "/stranger.pem");
  certified.files.client_ca = dir + "/clients.pem";
  Fixture f(60s, 20s, certified.files);
  const std::string url = f.url();
  auto trust = certified.trust();
  CHECK_THAT(refusal(url, trust), Contains("certificate required"));
  trust.certificate = dir + "/stranger.pem";
  CHECK_THAT(refusal(url, trust), Contains("unknown ca"));
  trust.certificate = dir + "/client.pem";
  CHECK_THAT(SpdyPeer(url, kCommand, &trust).head, Contains("101"));
}

TEST_CASE("a certificate that changes serves the next connection, one that is broken does not", "[streaming][tls]") {
  Certified certified;
  Fixture f(60s, 20s, certified.files);
  const std::string url = f.url();
  const std::string kept = certified.dir.path + "/kept.pem";
  std::ofstream(kept) << std::ifstream(certified.files.certificate).rdbuf();
  const streaming::TlsTrust first{"", kept, "", ""}, now{"", certified.files.certificate, "", ""};
  SpdyPeer session(f.url(), kCommand, &first);
  open_all(session);
  REQUIRE(Process::wait(f.process.made));

  certified.authority.certify("server, renewed", certified.files.certificate, certified.files.key);
  CHECK_THAT(Connection(url, &now).ask(""), Contains("400"));
  CHECK_THAT(refusal(url, first), Contains("does not show"));

  std::ofstream(kept) << std::ifstream(certified.files.certificate).rdbuf();
  std::ofstream(certified.files.certificate) << "-----BEGIN CERTIFICATE-----\nhalf";
  CHECK_THAT(Connection(url, &first).ask(""), Contains("400"));

  f.process.exit(0);  // the session from before knows nothing of it
  CHECK(session.wait_end());
  CHECK_THAT(session.text("error"), Contains("Success"));
}

TEST_CASE("handshakes that do not end are bounded, and keep nobody waiting", "[streaming][tls]") {
  Certified certified;
  SECTION("in number") {
    Fixture f(60s, 20s, certified.files);
    const auto trust = certified.trust();
    std::vector<std::unique_ptr<Connection>> strangers;
    for (int i = 0; i < 200; ++i) {
      strangers.push_back(std::make_unique<Connection>(f.url()));
      strangers.back()->write(std::string("\x16\x03\x01\x3f\xff", 5));  // a hello of 16 KiB is to come
    }
    SpdyPeer peer(f.url(), kCommand, &trust);
    CHECK_THAT(peer.head, Contains("101"));
    std::string got;
    CHECK_FALSE(strangers.front()->read(got));
  }
  SECTION("in time") {
    Fixture f(60s, 1s, certified.files);
    Connection silent(f.url());
    std::string got;
    CHECK_FALSE(silent.read(got));
  }
}

TEST_CASE("clients that wait for their handshake's first step are bounded", "[streaming][tls][attack]") {
  Certified certified;
  auto credentials = streaming::TlsCredentials::open(certified.files);
  REQUIRE(credentials.ok());
  std::promise<void> begun, released;
  std::atomic<int> made = 0;
  const auto gate = released.get_future().share();
  streaming::Handshakes handshakes(std::move(credentials).take(), 20s, [&](UniqueFd, const streaming::SslPtr&) {
    if (made++ == 0) begun.set_value();
    gate.wait();  // as long as the thread has other arithmetic to do
  });
  const auto connect = [&handshakes] {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    REQUIRE(::fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
    handshakes.begin(UniqueFd(pair[1]));
    return UniqueFd(pair[0]);
  };
  const auto trust = certified.trust();
  const UniqueFd first = connect();
  REQUIRE(streaming::connect_tls(first, trust, "127.0.0.1").ok());
  begun.get_future().wait();
  std::vector<UniqueFd> strangers;
  for (std::size_t i = 0; i < 5 * streaming::Handshakes::kMost; ++i) strangers.push_back(connect());
  const auto open = std::count_if(strangers.begin(), strangers.end(), [](const UniqueFd& end) {
    char byte = 0;
    return ::recv(end.get(), &byte, 1, MSG_DONTWAIT) != 0;  // 0: the other end is closed
  });
  CHECK(open == static_cast<std::ptrdiff_t>(streaming::Handshakes::kMost));
  released.set_value();
  CHECK(streaming::connect_tls(strangers.back(), trust, "127.0.0.1").ok());
}

TEST_CASE("files that cannot be used stop the server's start", "[streaming][tls]") {
  Certified certified;
  tests::FakeEngine engine;
  const auto start = [&](streaming::TlsFiles files) {
    streaming::ServerOptions options;
    options.tls = std::move(files);
    const auto started = streaming::Server::start(options, engine);
    REQUIRE_FALSE(started.ok());
    return started.error().message;
  };
  const std::string& dir = certified.dir.path;
  CHECK_THAT(start({dir + "/none.pem", certified.files.key, ""}), Contains("none.pem") && Contains("No such file"));
  certified.authority.certify("other", dir + "/other.pem", dir + "/other.key");
  CHECK_THAT(start({certified.files.certificate, dir + "/other.key", ""}), Contains("other.key") && Contains("mismatch"));
  CHECK_THAT(start({certified.files.certificate, certified.files.certificate, ""}), Contains("server.pem"));
  CHECK_THAT(start({certified.files.certificate, certified.files.key, dir + "/none.pem"}), Contains("client authorities"));
}
