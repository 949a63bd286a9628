// Tokens: good once, for a minute, and not without end.
#include "streaming/tokens.h"

#include <catch2/catch.hpp>
#include <set>

using namespace slipway;
using namespace slipway::streaming;

namespace {
constexpr MonotonicNanos kSecond = 1'000'000'000;
}

TEST_CASE("a token is good once", "[streaming]") {
  Tokens<int> tokens;
  const auto token = tokens.put(7, 0);
  REQUIRE(token.ok());
  CHECK_FALSE(tokens.take("other", 1));
  CHECK(tokens.take(token.value(), 1) == 7);
  CHECK_FALSE(tokens.take(token.value(), 1));
}

TEST_CASE("a token lives for a minute", "[streaming]") {
  Tokens<int> tokens;
  const auto early = tokens.put(1, 0);
  const auto late = tokens.put(2, 0);
  REQUIRE(late.ok());
  CHECK(tokens.take(early.value(), 59 * kSecond) == 1);
  CHECK_FALSE(tokens.take(late.value(), 60 * kSecond));
}

TEST_CASE("tokens are bounded, and old ones make room", "[streaming]") {
  Tokens<int> tokens;
  for (std::size_t i = 0; i < Tokens<int>::kMax; ++i) REQUIRE(tokens.put(0, 0).ok());
  const auto one_more = tokens.put(0, 59 * kSecond);
  REQUIRE_FALSE(one_more.ok());
  CHECK(one_more.error().code == Code::resource_exhausted);
  CHECK(tokens.put(0, 61 * kSecond).ok());
  CHECK(tokens.size() == 1);
}

TEST_CASE("tokens are long, fit into a URL and differ", "[streaming]") {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const auto token = make_token();
    REQUIRE(token.ok());
    CHECK(token.value().size() == 43);
    CHECK(token.value().find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos);
    seen.insert(token.value());
  }
  CHECK(seen.size() == 100);
}
