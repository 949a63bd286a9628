// CDI documents and names: what is read, and what makes one void.
#include "oci/cdi.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::oci;

namespace {

std::string document(const std::string& edits, const std::string& device = "0") {
  return R"({"cdiVersion":"0.6.0","kind":"vendor.com/gpu","annotations":{"a":"b"},"devices":[{"name":")" + device +
         R"(","containerEdits":)" + edits + R"(}],"containerEdits":{"env":["ALL=1"]}})";
}

std::string refusal(const std::string& text) {
  const auto parsed = parse_cdi(text);
  return parsed.ok() ? "" : parsed.error().message;
}

}  // namespace

TEST_CASE("a CDI document says what is done for a device", "[oci]") {
  const auto parsed = parse_cdi(document(R"({"env":["GPU=0","E="],
    "deviceNodes":[{"path":"/dev/gpu0","hostPath":"/dev/real","type":"c","major":195,"minor":3,"fileMode":438,"permissions":"rw","uid":5,"gid":6}],
    "mounts":[{"hostPath":"/h","containerPath":"/c","options":["ro"],"type":"bind"}],
    "hooks":[{"hookName":"createContainer","path":"/bin/hook","args":["hook","x"],"env":["A=B"],"timeout":7}],
    "additionalGids":[44],"intelRdt":{"closID":"x"},"netDevices":[]})"));
  REQUIRE(parsed.ok());
  CHECK(parsed.value().kind == "vendor.com/gpu");
  CHECK(parsed.value().edits.env == std::vector<std::string>{"ALL=1"});
  const CdiEdits& edits = parsed.value().devices.at("0");
  CHECK(edits.env == std::vector<std::string>{"GPU=0", "E="});
  CHECK(edits.device_nodes.at(0).host_path == "/dev/real");
  CHECK(edits.device_nodes.at(0).file_mode == 0666);
  CHECK(edits.device_nodes.at(0).gid == 6);
  CHECK(edits.mounts.at(0).options == std::vector<std::string>{"ro"});
  CHECK(edits.hooks.at(0).name == "createContainer");
  CHECK(edits.hooks.at(0).hook.timeout == 7);
  CHECK(edits.additional_gids == std::vector<std::uint32_t>{44});
  CHECK(edits.unsupported == std::vector<std::string>{"intelRdt"});
}

TEST_CASE("a CDI document is void where it says what cannot be", "[oci]") {
  CHECK(refusal(document("{}")).empty());
  CHECK(refusal(document("{}", "MIG-1:0.a_b")).empty());
  CHECK_THAT(refusal(document(R"({"devices":[]})")), Catch::Contains("devices[0].containerEdits.devices") && Catch::Contains("not known"));
  CHECK_THAT(refusal(document(R"({"env":["=x"]})")), Catch::Contains("'=x'"));
  CHECK_THAT(refusal(document(R"({"deviceNodes":[{}]})")), Catch::Contains("deviceNodes[0]") && Catch::Contains("'path'"));
  CHECK_THAT(refusal(document(R"({"deviceNodes":[{"path":"/d","type":"x"}]})")), Catch::Contains("'x'"));
  CHECK_THAT(refusal(document(R"({"deviceNodes":[{"path":"/d","major":-1}]})")), Catch::Contains("-1"));
  CHECK_THAT(refusal(document(R"({"deviceNodes":[{"path":"/d","permissions":"rx"}]})")), Catch::Contains("'rx'"));
  CHECK_THAT(refusal(document(R"({"mounts":[{"hostPath":"/h"}]})")), Catch::Contains("containerPath"));
  CHECK_THAT(refusal(document(R"({"hooks":[{"hookName":"later","path":"/h"}]})")), Catch::Contains("'later'"));
  CHECK_THAT(refusal(document("{}", "a b")), Catch::Contains("'a b'"));
  CHECK_THAT(refusal(R"({"cdiVersion":"0.6.0","kind":"gpu","devices":[]})"), Catch::Contains("'gpu'"));
  CHECK_THAT(refusal(R"({"cdiVersion":"2.0.0","kind":"v.com/gpu","devices":[]})"), Catch::Contains("'2.0.0'"));
  CHECK_THAT(refusal("cdiVersion: 0.6.0\n"), !Catch::Equals(""));
}

TEST_CASE("names of CDI devices", "[oci]") {
  const auto name = parse_cdi_name("nvidia.com/gpu=GPU-1:2.x_y");
  REQUIRE(name.ok());
  CHECK(name.value().kind == "nvidia.com/gpu");
  CHECK(name.value().device == "GPU-1:2.x_y");
  for (const char* bad : {"", "gpu", "v/gpu", "v/gpu=", "/gpu=0", "v/=0", "v/a/b=0", "v/gpu=../x", "v/gpu=a b", "v/gpu=-"}) {
    CAPTURE(bad);
    CHECK_THAT(parse_cdi_name(bad).ok() ? "" : parse_cdi_name(bad).error().message, Catch::Contains("CDI_devices"));
  }
}
