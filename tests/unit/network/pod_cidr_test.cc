// Pod CIDRs in a template: what may stand there, what comes out, what is refused.
#include "network/pod_cidr.h"

#include <catch2/catch.hpp>

#include "network/json.h"

using namespace slipway;
using namespace slipway::network;

TEST_CASE("pod CIDRs are networks, one or one a family", "[network]") {
  CHECK(parse_cidrs("10.1.0.0/24").value() == std::vector<std::string>{"10.1.0.0/24"});
  CHECK(parse_cidrs("10.1.0.0/24,fd00::/64").value() == std::vector<std::string>{"10.1.0.0/24", "fd00::/64"});
  for (const char* wrong : {"", ",", "10.1.0.0", "10.1.0.0/33", "fd00::/129", "10.1.0/24", "10.1.0.0/24,", "10.1.0.0/2x", "10.1.0.0/24\"}"})
    CHECK(parse_cidrs(wrong).error().code == Code::invalid_argument);
}

TEST_CASE("a template with its placeholders is a CNI configuration", "[network]") {
  const char* text = R"({"name":"pods","ipam":{"subnet":"{{.PodCIDR}}","ranges":{{ .PodCIDRRanges }},"routes":{{.Routes}}}})";
  const auto rendered = render_template(text, {"10.1.0.0/24", "fd00::/64"});
  REQUIRE(rendered.ok());
  const Json json = Json::parse(rendered.value());
  CHECK(json["ipam"]["subnet"] == "10.1.0.0/24");
  CHECK(json["ipam"]["ranges"] == Json::parse(R"([[{"subnet":"10.1.0.0/24"}],[{"subnet":"fd00::/64"}]])"));
  CHECK(json["ipam"]["routes"] == Json::parse(R"([{"dst":"0.0.0.0/0"},{"dst":"::/0"}])"));
  CHECK(Json::parse(render_template("{{.Routes}}", {"10.1.0.0/24"}).value()).size() == 1);
  CHECK(render_template("no placeholder", {"10.1.0.0/24"}).value() == "no placeholder");
}

TEST_CASE("a placeholder that nobody knows is an error", "[network]") {
  for (const char* wrong : {"{{.Other}}", "{{.PodCIDR", "{{}}", "{{range .PodCIDRs}}"}) {
    const auto rendered = render_template(wrong, {"10.1.0.0/24"});
    REQUIRE_FALSE(rendered.ok());
    CHECK_THAT(rendered.error().message, Catch::Contains("{{.PodCIDRRanges}}"));
  }
}
