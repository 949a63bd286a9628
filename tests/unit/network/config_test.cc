// Configurations as administrators write them, good and bad.
#include "network/config.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::network;

namespace {
std::string error_of(const std::string& file, const std::string& text) {
  const Result<NetworkConfig> r = parse_config(file, text);
  return r.ok() ? "" : r.error().message;
}
}  // namespace

TEST_CASE("a list and a single plugin become the same kind of value", "[network]") {
  const auto list = parse_config("10-a.conflist", R"({"cniVersion":"0.4.0","name":"n","plugins":[{"type":"bridge"},{"type":"portmap"}]})");
  REQUIRE(list.ok());
  CHECK(list.value().plugins.size() == 2);
  CHECK(list.value().version == "0.4.0");
  const auto single = parse_config("10-a.conf", R"({"cniVersion":"0.3.1","name":"n","type":"bridge","mtu":9000})");
  REQUIRE(single.ok());
  REQUIRE(single.value().plugins.size() == 1);
  CHECK(single.value().plugins[0].config["mtu"] == 9000);
  CHECK(single.value().version == "0.3.1");
  // What is kept of a network reads back as the same network.
  const auto again = from_json(single.value().source, "kept");
  REQUIRE(again.ok());
  CHECK(again.value().plugins[0].config == single.value().plugins[0].config);
}

TEST_CASE("the newest version that both sides know counts", "[network]") {
  CHECK(parse_config("a.conflist", R"({"cniVersion":"0.4.0","cniVersions":["1.0.0","9.0.0"],"name":"n","plugins":[{"type":"x"}]})")
            .value()
            .version == "1.0.0");
  CHECK(parse_config("a.conf", R"({"name":"n","type":"x"})").value().version == "0.1.0");
  CHECK_THAT(error_of("a.conf", R"({"cniVersion":"2.0.0","name":"n","type":"x"})"), Catch::Contains("cniVersion '2.0.0'"));
}

TEST_CASE("what would become a path is checked", "[network][attack]") {
  CHECK_THAT(error_of("a.conf", R"({"name":"../../etc","type":"x"})"), Catch::Contains("not a network name"));
  CHECK_THAT(error_of("a.conf", R"({"name":"n","type":"../../../bin/sh"})"), Catch::Contains("not a file name"));
  CHECK_THAT(error_of("a.conf", R"({"name":"n","type":".."})"), Catch::Contains("not a file name"));
}

TEST_CASE("broken configurations are named", "[network]") {
  CHECK_THAT(error_of("/c/a.conf", "{"), Catch::Contains("/c/a.conf: not JSON"));
  CHECK_THAT(error_of("a.conf", "[]"), Catch::Contains("not a JSON object"));
  CHECK_THAT(error_of("a.conf", R"({"type":"x"})"), Catch::Contains("no 'name'"));
  CHECK_THAT(error_of("a.conf", R"({"name":"n"})"), Catch::Contains("no 'type'"));
  CHECK_THAT(error_of("a.conflist", R"({"name":"n","type":"x"})"), Catch::Contains("no plugins"));
  CHECK_THAT(error_of("a.conflist", R"({"name":"n","plugins":[]})"), Catch::Contains("no plugins"));
  CHECK_THAT(error_of("a.conflist", R"({"name":"n","plugins":[1]})"), Catch::Contains("not an object"));
  CHECK_THAT(error_of("a.conf", R"({"name":"n","plugins":[{"type":"x"}]})"), Catch::Contains(".conflist"));
  CHECK_THAT(error_of("a.conf", "{\"name\":\"\xff\",\"type\":\"x\"}"), Catch::Contains("not JSON"));
}

TEST_CASE("bounds of size, depth and number hold", "[network][attack]") {
  CHECK_THAT(error_of("a.conf", std::string(kMaxJsonSize + 1, ' ')), Catch::Contains("more than"));
  CHECK_THAT(error_of("a.conf", R"({"name":"n","type":"x","deep":)" + std::string(500'000, '[')), Catch::Contains("nested deeper"));
  std::string many = R"({"name":"n","plugins":[)";
  for (std::size_t i = 0; i <= kMaxPlugins; ++i) many += std::string(i == 0 ? "" : ",") + R"({"type":"x"})";
  CHECK_THAT(error_of("a.conflist", many + "]}"), Catch::Contains("65 plugins"));
  // Brackets within a string are text.
  CHECK(error_of("a.conf", R"({"name":"n","type":"x","s":")" + std::string(500, '[') + R"("})").empty());
}
