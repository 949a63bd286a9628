// Configuration: what is read, what is refused with which name and line.
#include "slipwayd/config.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::daemon;
using Catch::Contains;

TEST_CASE("the default text means the defaults, and comments every key", "[slipwayd]") {
  const std::string text = default_config_text();
  const auto config = parse_config(text, "default");
  REQUIRE(config.ok());
  CHECK(to_json(config.value()) == to_json(Config{}));
  CHECK(check(config.value()).ok());
  std::string previous;
  for (std::size_t start = 0; start < text.size();) {
    const auto end = text.find('\n', start);
    const std::string line = text.substr(start, end - start);
    if (line.find(" = ") != std::string::npos && line[0] != '#') CHECK(previous.rfind("# ", 0) == 0);
    previous = line;
    start = end + 1;
  }
}

TEST_CASE("values are taken from their tables", "[slipwayd]") {
  const auto config = parse_config("root = '/srv/slipway'\n[cni]\nbin_dirs = ['/a', '/b']\ntimeout = 5\n[workers]\nwaits = 7\n", "c.toml");
  REQUIRE(config.ok());
  CHECK(config.value().root == "/srv/slipway");
  CHECK(config.value().cni_bin_dirs == std::vector<std::string>{"/a", "/b"});
  CHECK(config.value().cni_timeout == 5);
  CHECK(config.value().wait_workers == 7);
  CHECK(config.value().state == "/run/slipway");
  CHECK(listen_address(config.value()) == "unix:///run/slipway/slipway.sock");
}

TEST_CASE("every mistake is told by name and line", "[slipwayd]") {
  const auto config = parse_config("rot = '/x'\n[cni]\nconfdir = 1\ntimeout = 'long'\nbin_dirs = ['/a', 1]\n[cmi]\nx = 1\n", "c.toml");
  REQUIRE_FALSE(config.ok());
  CHECK(config.error().code == Code::invalid_argument);
  const auto& message = config.error().message;
  CHECK_THAT(message, Contains("c.toml:1: unknown key 'rot'"));
  CHECK_THAT(message, Contains("c.toml:3: unknown key 'cni.confdir'"));
  CHECK_THAT(message, Contains("c.toml:4: cni.timeout wants a number"));
  CHECK_THAT(message, Contains("c.toml:5: cni.bin_dirs wants a list of strings"));
  CHECK_THAT(message, Contains("c.toml:6: unknown key 'cmi'"));
}

TEST_CASE("broken TOML is told with its line", "[slipwayd]") {
  const auto config = parse_config("root = '/x'\nstate = \n", "c.toml");
  REQUIRE_FALSE(config.ok());
  CHECK_THAT(config.error().message, Contains("c.toml:2"));
}

TEST_CASE("the streaming address is an address and a port", "[slipwayd]") {
  Config config;
  REQUIRE(streaming_address(config).ok());
  CHECK(streaming_address(config).value().address == "127.0.0.1");
  CHECK(streaming_address(config).value().port == 0);
  config.streaming_listen = "[::1]:10010";
  REQUIRE(streaming_address(config).ok());
  CHECK(streaming_address(config).value().address == "::1");
  CHECK(streaming_address(config).value().port == 10010);
  for (const char* bad : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "localhost:1", ":1", "127.0.0.1:1 "}) {
    config.streaming_listen = bad;
    const auto checked = check(config);
    REQUIRE_FALSE(checked.ok());
    CHECK_THAT(checked.error().message, Contains("streaming.listen"));
  }
}

TEST_CASE("numbers out of range are refused", "[slipwayd]") {
  CHECK_FALSE(parse_config("[workers]\nreads = 0\n", "c").ok());
  CHECK_FALSE(parse_config("[workers]\nreads = -1\n", "c").ok());
  CHECK_FALSE(parse_config("[workers]\nreads = 99999999999\n", "c").ok());
}

TEST_CASE("values that cannot be are refused by name", "[slipwayd]") {
  Config config;
  const auto refused = [&](const char* words) {
    const auto result = check(config);
    REQUIRE_FALSE(result.ok());
    CHECK_THAT(result.error().message, Contains(words));
    return result.error().code;
  };
  SECTION("relative root") {
    config.root = "var";
    refused("root: 'var' is not an absolute path");
  }
  SECTION("TLS: a certificate without its key, a key without its certificate, authorities without either") {
    config.streaming_tls_certificate = "/c.pem";
    refused("streaming.tls_key is missing: streaming.tls_certificate is '/c.pem'");
    config.streaming_tls_certificate.swap(config.streaming_tls_key);
    refused("streaming.tls_certificate is missing");
    config.streaming_tls_key.clear();
    config.streaming_tls_client_ca = "/ca.pem";
    refused("streaming.tls_client_ca: '/ca.pem' needs streaming.tls_certificate");
    config.streaming_tls_certificate = "c.pem";
    config.streaming_tls_key = "/k.pem";
    refused("streaming.tls_certificate: 'c.pem' is not an absolute path");
  }
  SECTION("containerd's socket") {
    config.containerd_socket = "/run/containerd/containerd.sock";
    refused("containerd.socket: '/run/containerd/containerd.sock' is not of the form unix:///PATH");
    config.containerd_socket = "unix:///run/slipway/slipway.sock";
    refused("containerd.socket: 'unix:///run/slipway/slipway.sock' is `listen` already");
    config.containerd_socket = "unix:///run/containerd/containerd.sock";
    CHECK(check(config).ok());
  }
  SECTION("tcp") {
    config.listen = "tcp://127.0.0.1:1";
    refused("listen: 'tcp://127.0.0.1:1'");
  }
  SECTION("level") {
    config.log_level = "loud";
    refused("log level 'loud'");
  }
  SECTION("driver") {
    config.cgroup_driver = "v1";
    refused("cgroup_driver: 'v1'");
  }
  SECTION("systemd") {
    config.cgroup_driver = "systemd";
    CHECK(check(config).ok());
  }
}

TEST_CASE("an absent file is not_found", "[slipwayd]") {
  const auto config = read_config("/nonexistent/config.toml");
  REQUIRE_FALSE(config.ok());
  CHECK(config.error().code == Code::not_found);
}
