// Spec → JSON → Spec is the same value.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "oci/parse.h"
#include "oci/seccomp_default.h"

using namespace slipway;
using namespace slipway::oci;

TEST_CASE("what was read is written again, member for member", "[oci][write]") {
  std::ifstream in(SLIPWAY_SOURCE_DIR "/tests/unit/oci/data/full.json");
  auto expected = nlohmann::json::parse(in);
  const auto spec = parse_spec(expected.dump());
  REQUIRE(spec.ok());
  const auto written = nlohmann::json::parse(write_spec(spec.value()));
  expected["linux"]["resources"]["memory"].erase("useHierarchy");  // means nothing in version 2
  const auto difference = nlohmann::json::diff(expected, written);
  CHECK(difference.dump() == "[]");
}

TEST_CASE("process and resources alone", "[oci][write]") {
  std::ifstream in(SLIPWAY_SOURCE_DIR "/tests/unit/oci/data/full.json");
  const auto all = nlohmann::json::parse(in);
  const auto p = parse_process(all["process"].dump());
  REQUIRE(p.ok());
  CHECK(nlohmann::json::parse(write_process(p.value())) == all["process"]);
  auto resources = all["linux"]["resources"];
  resources["memory"].erase("useHierarchy");
  const auto r = parse_resources(resources.dump());
  REQUIRE(r.ok());
  CHECK(nlohmann::json::parse(write_resources(r.value())) == resources);
}

TEST_CASE("odd bytes and false device rules survive", "[oci][write]") {
  Spec spec;
  spec.oci_version = "1.2.0";
  spec.process.emplace().env = {"A=\xff\x01\"\\\n", "B="};
  spec.linux_.resources.emplace().devices = {{.allow = false, .type = "", .major = {}, .minor = {}, .access = "rwm"}};
  spec.linux_.resources->pids_limit = 0;
  const auto back = parse_spec(write_spec(spec));
  REQUIRE(back.ok());
  CHECK(back.value().process->env == spec.process->env);
  CHECK_FALSE(back.value().linux_.resources->devices[0].allow);
  CHECK(back.value().linux_.resources->pids_limit == 0);
}

TEST_CASE("a NUL in a value does not survive as a shorter value", "[oci][write]") {
  Spec spec;
  spec.process.emplace().args = {std::string("a\0b", 3)};
  CHECK_FALSE(parse_spec(write_spec(spec)).ok());
}
