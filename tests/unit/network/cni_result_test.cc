// Results of all versions, and what of them is the pod's address.
#include "network/cni_result.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::network;

namespace {
std::vector<std::string> addresses(const std::string& text, const std::string& version) {
  const Result<Json> result = parse_result(text, version);
  REQUIRE(result.ok());
  const auto out = pod_addresses(result.value(), "eth0");
  REQUIRE(out.ok());
  return out.value();
}
using Strings = std::vector<std::string>;
constexpr const char* kDual =
    R"({"cniVersion":"0.4.0","interfaces":[{"name":"cni0"},{"name":"veth1"},{"name":"eth0","sandbox":"/run/netns/x"}],
  "ips":[{"version":"4","address":"10.2.0.9/16","gateway":"10.2.0.1","interface":2},{"version":"6","address":"fd00::9/64","interface":2},
         {"version":"4","address":"10.2.0.1/16","interface":0}]})";
}  // namespace

TEST_CASE("only the pod's interface counts, in the plugins' order", "[network]") {
  CHECK(addresses(kDual, "0.4.0") == Strings{"10.2.0.9", "fd00::9"});
  CHECK(addresses(R"({"cniVersion":"1.0.0","ips":[{"address":"fd00::1/64"},{"address":"10.0.0.1/8"}]})", "1.0.0") ==
        Strings{"fd00::1", "10.0.0.1"});
  CHECK(addresses(R"({"cniVersion":"1.0.0"})", "1.0.0").empty());
}

TEST_CASE("the old shape is read", "[network]") {
  const char* old = R"({"ip4":{"ip":"10.1.2.3/24","gateway":"10.1.2.1","routes":[{"dst":"0.0.0.0/0"}]},"ip6":{"ip":"fd01::3/64"}})";
  CHECK(addresses(old, "0.2.0") == Strings{"10.1.2.3", "fd01::3"});
}

TEST_CASE("a result becomes one of the list's version", "[network]") {
  const Json upgraded =
      parse_result(R"({"cniVersion":"0.2.0","ip4":{"ip":"10.1.2.3/24","gateway":"10.1.2.1","routes":[{"dst":"0.0.0.0/0"}]}})", "0.4.0")
          .value();
  CHECK(
      upgraded ==
      Json::parse(
          R"({"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.1.2.3/24","gateway":"10.1.2.1"}],"routes":[{"dst":"0.0.0.0/0"}]})"));
  const Json modern = parse_result(kDual, "1.0.0").value();
  CHECK(modern["cniVersion"] == "1.0.0");
  CHECK_FALSE(modern["ips"][0].contains("version"));
  const Json older = parse_result(R"({"cniVersion":"1.0.0","ips":[{"address":"fd00::1/64"}]})", "0.3.1").value();
  CHECK(older["ips"][0]["version"] == "6");
  const Json oldest = parse_result(kDual, "0.2.0").value();
  CHECK(oldest == Json::parse(R"({"cniVersion":"0.2.0","ip4":{"ip":"10.2.0.9/16","gateway":"10.2.0.1"},"ip6":{"ip":"fd00::9/64"}})"));
}

TEST_CASE("results that lie are errors", "[network][attack]") {
  CHECK_THAT(parse_result("hello", "1.0.0").error().message, Catch::Contains("not JSON"));
  CHECK_THAT(parse_result("", "1.0.0").error().message, Catch::Contains("not JSON"));
  CHECK_THAT(parse_result(R"({"cniVersion":"7"})", "1.0.0").error().message, Catch::Contains("cniVersion '7'"));
  const Json bad = Json::parse(R"({"ips":[{"address":"10.0.0.999/8"}]})");
  CHECK_THAT(pod_addresses(bad, "eth0").error().message, Catch::Contains("not an address"));
  // Wrong types and indices out of range are no crash.
  CHECK(pod_addresses(Json::parse(R"({"ips":"x","ip4":3})"), "eth0").value().empty());
  CHECK(pod_addresses(Json::parse(R"({"ips":[3,{"address":"10.0.0.1/8","interface":99}],"interfaces":[]})"), "eth0").value() ==
        Strings{"10.0.0.1"});
}
