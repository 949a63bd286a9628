// Command lines as runc's callers write them.
#include "runtime/command/options.h"

#include <catch2/catch.hpp>

using namespace slipway;
using runtime::command::Option;
using runtime::command::parse_arguments;

namespace {
constexpr Option kOptions[] = {{"bundle", "b", true}, {"detach", "d", false}, {"env", "e", true}};
using Words = std::vector<std::string>;
}  // namespace

TEST_CASE("flags come in every form that callers use", "[runtime]") {
  const Words words = {"--bundle", "/x", "-d", "--env=A=b", "-e", "C=d", "id", "--bundle=/y"};
  const auto parsed = parse_arguments(words, kOptions, false);
  REQUIRE(parsed.ok());
  CHECK(parsed.value().value("bundle") == "/y");
  CHECK(parsed.value().has("detach"));
  CHECK(parsed.value().values("env") == Words{"A=b", "C=d"});
  CHECK(parsed.value().positional == Words{"id"});
}

TEST_CASE("the program's own flags are not ours", "[runtime]") {
  const Words words = {"-d", "id", "sh", "-c", "--bundle"};
  const auto parsed = parse_arguments(words, kOptions, true);
  REQUIRE(parsed.ok());
  CHECK(parsed.value().positional == Words{"id", "sh", "-c", "--bundle"});
  const Words dashes = {"--", "-d", "id"};
  const auto after = parse_arguments(dashes, kOptions, false);
  REQUIRE(after.ok());
  CHECK_FALSE(after.value().has("detach"));
  CHECK(after.value().positional == Words{"-d", "id"});
}

TEST_CASE("flags may be switched off by value", "[runtime]") {
  const Words words = {"--detach=false"};
  const auto parsed = parse_arguments(words, kOptions, false);
  REQUIRE(parsed.ok());
  CHECK_FALSE(parsed.value().has("detach"));
}

TEST_CASE("command line errors name the flag", "[runtime]") {
  for (const Words& words : {Words{"--bundel", "x"}, Words{"--bundle"}, Words{"--detach=maybe"}}) {
    const auto parsed = parse_arguments(words, kOptions, false);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == Code::invalid_argument);
    CHECK_THAT(parsed.error().message, Catch::Contains(words[0].substr(2, 5)));
  }
  const Words words = {"-e", "12x"};
  const auto parsed = parse_arguments(words, kOptions, false);
  REQUIRE(parsed.ok());
  CHECK_FALSE(parsed.value().number("env", 0, 0, 20).ok());
  CHECK(parsed.value().number("absent", 7, 0, 20).value() == 7);
}

TEST_CASE("letters stand together, the last with its value", "[runtime]") {
  const Words words = {"-de", "A=b", "-deC=d", "id"};
  const auto parsed = parse_arguments(words, kOptions, false);
  REQUIRE(parsed.ok());
  CHECK(parsed.value().has("detach"));
  CHECK(parsed.value().values("env") == Words{"A=b", "C=d"});
  CHECK(parsed.value().positional == Words{"id"});
  const Words unknown = {"-dz"};
  CHECK_FALSE(parse_arguments(unknown, kOptions, false).ok());
}
