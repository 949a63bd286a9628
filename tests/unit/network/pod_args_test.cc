// What plugins are told about a pod.
#include "network/pod_args.h"

#include <catch2/catch.hpp>

#include "tests/unit/network/support.h"

using namespace slipway;
using namespace slipway::network;

TEST_CASE("CNI_ARGS is what plugins of the field read", "[network]") {
  CHECK(make_args(test::request()).value() == "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=" +
                                                  std::string(64, 'a') + ";K8S_POD_UID=uid-1");
}

TEST_CASE("a pod's name cannot add an argument", "[network][attack]") {
  auto request = test::request();
  for (const char* name : {"web;K8S_POD_NAMESPACE=kube-system", "a=b", "a\nb"}) {
    request.name = name;
    const auto args = make_args(request);
    REQUIRE_FALSE(args.ok());
    CHECK(args.error().code == Code::invalid_argument);
  }
}

TEST_CASE("only declared capabilities reach a plugin", "[network]") {
  auto request = test::request();
  request.port_mappings = {{"tcp", 80, 8080, "127.0.0.1"}, {"udp", 53, 0, ""}, {"sctp", 9, 9, ""}};
  request.annotations = {{"kubernetes.io/ingress-bandwidth", "10M"}, {"other", "\xff"}};
  const Json capabilities = make_capabilities(request).value();
  CHECK(capabilities["portMappings"] == Json::parse(R"([{"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":"127.0.0.1"},
                                                        {"hostPort":9,"containerPort":9,"protocol":"sctp"}])"));
  CHECK(capabilities["bandwidth"] == Json::parse(R"({"ingressRate":10000000,"ingressBurst":4294967295})"));
  const Json plugin =
      Json::parse(R"({"type":"portmap","capabilities":{"portMappings":true,"bandwidth":false},"prevResult":{"from":"file"}})");
  const Json input = plugin_input(plugin, "n", "1.0.0", capabilities, Json());
  CHECK(input["runtimeConfig"].size() == 1);
  CHECK(input["runtimeConfig"]["portMappings"] == capabilities["portMappings"]);
  CHECK(input["name"] == "n");
  CHECK_FALSE(input.contains("prevResult"));
  CHECK_FALSE(plugin_input(Json::parse(R"({"type":"x"})"), "n", "1.0.0", capabilities, Json()).contains("runtimeConfig"));
  CHECK_THAT(to_text(capabilities), Catch::Contains("\xef\xbf\xbd"));  // not UTF-8: replaced, not thrown
}

TEST_CASE("quantities are Kubernetes'", "[network]") {
  CHECK(parse_quantity("1000").value() == 1000);
  CHECK(parse_quantity("10M").value() == 10'000'000);
  CHECK(parse_quantity("1.5k").value() == 1500);
  CHECK(parse_quantity("1Gi").value() == 1073741824);
  CHECK(parse_quantity("1e6").value() == 1'000'000);
  CHECK(parse_quantity("1500m").value() == 2);
  for (const char* bad : {"", "M", "10Q", "-1", "1e400", "inf", "nan", "10 M", "9999E"}) {
    INFO(bad);
    CHECK_FALSE(parse_quantity(bad).ok());
  }
}

TEST_CASE("a bandwidth beyond Kubernetes' bounds is refused", "[network]") {
  auto request = test::request();
  for (const char* bad : {"1", "2P", "fast"}) {
    request.annotations = {{"kubernetes.io/egress-bandwidth", bad}};
    const auto r = make_capabilities(request);
    REQUIRE_FALSE(r.ok());
    CHECK_THAT(r.error().message, Catch::Contains("egress-bandwidth"));
  }
}
