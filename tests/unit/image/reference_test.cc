// References become whole and hostile ones are refused.
#include "image/reference.h"

#include <catch2/catch.hpp>

using namespace slipway;
using image::parse_reference;

namespace {

std::string canonical(std::string_view text) {
  const auto r = parse_reference(text);
  return r.ok() ? r.value().canonical() : std::string("error");
}

const std::string kHex(64, 'a');

}  // namespace

TEST_CASE("what is left out of a reference is filled in", "[image]") {
  CHECK(canonical("nginx") == "docker.io/library/nginx:latest");
  CHECK(canonical("nginx:1.2") == "docker.io/library/nginx:1.2");
  CHECK(canonical("user/app") == "docker.io/user/app:latest");
  CHECK(canonical("index.docker.io/nginx") == "docker.io/library/nginx:latest");
  CHECK(canonical("localhost/app") == "localhost/app:latest");
  CHECK(canonical("localhost:5000/a/b/c:x") == "localhost:5000/a/b/c:x");
  CHECK(canonical("[::1]:5000/app") == "[::1]:5000/app:latest");
  CHECK(canonical("REG.example/app") == "REG.example/app:latest");
  CHECK(canonical("quay.io/a__b/c--d.e@sha256:" + kHex) == "quay.io/a__b/c--d.e@sha256:" + kHex);
}

TEST_CASE("a digest takes the place of the tag", "[image]") {
  const auto r = parse_reference("nginx:1@sha256:" + kHex);
  REQUIRE(r.ok());
  CHECK(r.value().repo_tag().empty());
  CHECK(r.value().repo_digest(r.value().digest) == "docker.io/library/nginx@sha256:" + kHex);
  CHECK(canonical("nginx@sha256:" + kHex) == "docker.io/library/nginx@sha256:" + kHex);
}

TEST_CASE("malformed references are invalid arguments", "[image]") {
  const std::string long_name(300, 'a');
  for (const std::string& text : {std::string(),
                                  std::string("UPPER"),
                                  std::string("a/../b"),
                                  std::string("a//b"),
                                  std::string("/a"),
                                  std::string("a/"),
                                  std::string("a:"),
                                  std::string("a:-x"),
                                  std::string("a@sha256:12"),
                                  std::string("a@md5:") + kHex,
                                  kHex,
                                  std::string("a b"),
                                  std::string("a___b"),
                                  std::string("ex ample.com/a"),
                                  std::string("host:port/a"),
                                  std::string("-a"),
                                  long_name,
                                  std::string("a:") + std::string(129, 't'),
                                  std::string("[::1/a"),
                                  std::string("a\n")}) {
    CAPTURE(text);
    const auto r = parse_reference(text);
    REQUIRE_FALSE(r.ok());
    CHECK(r.error().code == Code::invalid_argument);
  }
}

TEST_CASE("only addresses of this host are loopback", "[image]") {
  for (const char* host : {"localhost", "localhost:5000", "127.0.0.1", "127.9.8.7:80", "[::1]:5000"}) CHECK(image::is_loopback_host(host));
  for (const char* host : {"127.0.0.1.example.org", "localhost.example.org", "10.0.0.1", "[::2]:5000", "127.evil"})
    CHECK_FALSE(image::is_loopback_host(host));
}
