// Limits → unit properties.
#include "cgroups/unit_properties.h"

#include <catch2/catch.hpp>

#include "oci/parse.h"

using namespace slipway;
using namespace slipway::cgroups;

namespace {

struct Text {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::uint64_t value) const { return value == kInfinity ? "infinity" : fmt::format("{}", value); }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const Literal& value) const { return value.type; }
  template <class List>
  std::string operator()(const List& value) const {
    std::string out;
    for (const auto& one : value) out += fmt::format("{}{}", out.empty() ? "" : " ", one);
    return out;
  }
};

using Lines = std::vector<std::string>;

Lines plan(const std::string& json) {
  const auto resources = oci::parse_resources(json);
  if (!resources.ok()) FAIL(resources.error().message);
  Lines out;
  for (const Property& p : plan_properties(resources.value())) out.push_back(p.name + "=" + std::visit(Text{}, p.value));
  return out;
}

}  // namespace

TEST_CASE("memory, swap and processes", "[cgroups][systemd]") {
  CHECK(plan(R"({"memory":{"limit":536870912}})") == Lines{"MemoryMax=536870912"});
  CHECK(plan(R"({"memory":{"limit":100,"swap":150,"reservation":7}})") == Lines{"MemoryMax=100", "MemoryLow=7", "MemorySwapMax=50"});
  CHECK(plan(R"({"memory":{"limit":100,"swap":100}})") == Lines{"MemoryMax=100", "MemorySwapMax=0"});
  CHECK(plan(R"({"memory":{"limit":-1}})") == Lines{"MemoryMax=infinity", "MemorySwapMax=infinity"});
  CHECK(plan(R"({"memory":{"limit":0,"swap":0}})").empty());
  CHECK(plan(R"({"pids":{"limit":12}})") == Lines{"TasksMax=12"});
  CHECK(plan(R"({"pids":{"limit":-1}})") == Lines{"TasksMax=infinity"});
  CHECK(plan(R"({"pids":{"limit":0}})") == Lines{"TasksMax=1"});
}

TEST_CASE("cpu: a quota never becomes less by rounding", "[cgroups][systemd]") {
  CHECK(plan(R"({"cpu":{"shares":1024,"quota":50000,"period":100000}})") ==
        Lines{"CPUWeight=100", "CPUQuotaPerSecUSec=500000", "CPUQuotaPeriodUSec=100000"});
  CHECK(plan(R"({"cpu":{"quota":12345,"period":100000}})") == Lines{"CPUQuotaPerSecUSec=130000", "CPUQuotaPeriodUSec=100000"});
  CHECK(plan(R"({"cpu":{"quota":-1}})") == Lines{"CPUQuotaPerSecUSec=infinity", "CPUQuotaPeriodUSec=100000"});
  CHECK(plan(R"({"cpu":{"period":20000}})") == Lines{"CPUQuotaPeriodUSec=20000"});
  CHECK(plan(R"({"cpu":{"idle":1,"shares":512}})") == Lines{"CPUWeight=0"});
}

TEST_CASE("sets are bits", "[cgroups][systemd]") {
  CHECK(plan(R"({"cpu":{"cpus":"0-2,9","mems":"0"}})") == Lines{"AllowedCPUs=7 2", "AllowedMemoryNodes=1"});
  CHECK(plan(R"({"cpu":{"cpus":"3-1"}})").empty());  // the kernel's own refusal tells more
  CHECK(plan(R"({"cpu":{"cpus":"0-99999"}})").empty());
}

TEST_CASE("unified: what systemd would write", "[cgroups][systemd]") {
  CHECK(plan(R"({"unified":{"memory.high":"4096","memory.oom.group":"1","pids.max":"max","cpu.max":"20000 50000"}})") ==
        Lines{"CPUQuotaPerSecUSec=400000", "CPUQuotaPeriodUSec=50000", "MemoryHigh=4096", "TasksMax=infinity"});
  CHECK(plan(R"({"unified":{"memory.max":"many","io.weight":"default 7"}})") == Lines{"IOWeight=7"});
}
