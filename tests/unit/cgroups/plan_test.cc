// Limits → writes.
#include "cgroups/plan.h"

#include <catch2/catch.hpp>

#include "oci/parse.h"

using namespace slipway;
using namespace slipway::cgroups;

namespace {

// "file=value" of each write, "?" behind those that may be missing.
std::vector<std::string> plan(const std::string& json) {
  const auto resources = oci::parse_resources(json);
  if (!resources.ok()) FAIL(resources.error().message);
  const auto writes = plan_writes(resources.value());
  if (!writes.ok()) return {writes.error().message};
  std::vector<std::string> out;
  for (const Write& w : writes.value()) out.push_back(w.file + "=" + w.value + (w.missing == Missing::ignore ? "?" : ""));
  return out;
}
using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("shares become weights", "[cgroups][plan]") {
  CHECK(weight_from_shares(0) == 1);
  CHECK(weight_from_shares(2) == 1);
  CHECK(weight_from_shares(1024) == 100);
  CHECK(weight_from_shares(262144) == 10000);
  CHECK(weight_from_shares(1 << 20) == 10000);
  std::uint64_t last = 0;
  for (std::uint64_t s = 2; s <= 262144; s += 7) {
    const std::uint64_t w = weight_from_shares(s);
    REQUIRE(w >= last);
    REQUIRE(w <= 10000);
    last = w;
  }
}

TEST_CASE("memory and swap", "[cgroups][plan]") {
  CHECK(plan(R"({"memory":{"limit":536870912}})") == Lines{"memory.max=536870912"});
  CHECK(plan(R"({"memory":{"limit":100,"swap":150}})") == Lines{"memory.swap.max=50", "memory.max=100"});
  CHECK(plan(R"({"memory":{"limit":100,"swap":100}})") == Lines{"memory.swap.max=0?", "memory.max=100"});
  CHECK(plan(R"({"memory":{"limit":100,"swap":-1}})") == Lines{"memory.swap.max=max?", "memory.max=100"});
  CHECK(plan(R"({"memory":{"limit":-1}})") == Lines{"memory.swap.max=max?", "memory.max=max?"});
  CHECK(plan(R"({"memory":{"limit":0,"swap":0,"reservation":0}})").empty());
  CHECK(plan(R"({"memory":{"reservation":7}})") == Lines{"memory.low=7"});
  CHECK(plan(R"({"memory":{"swap":7}})") ==
        Lines{"linux.resources.memory.swap: 7 counts memory and swap together and needs linux.resources.memory.limit"});
  CHECK(plan(R"({"memory":{"limit":8,"swap":7}})") == Lines{"linux.resources.memory.swap: 7 is less than the memory limit 8"});
}

TEST_CASE("cpu", "[cgroups][plan]") {
  CHECK(plan(R"({"cpu":{"shares":1024,"quota":50000,"period":100000}})") == Lines{"cpu.weight=100?", "cpu.max=50000 100000"});
  CHECK(plan(R"({"cpu":{"quota":50000}})") == Lines{"cpu.max=50000 100000"});
  CHECK(plan(R"({"cpu":{"quota":-1,"period":20000}})") == Lines{"cpu.max=max 20000?"});
  CHECK(plan(R"({"cpu":{"period":20000}})") == Lines{"cpu.max=max 20000?"});
  CHECK(plan(R"({"cpu":{"quota":50000,"burst":10000}})") == Lines{"cpu.max.burst=0?", "cpu.max=50000 100000", "cpu.max.burst=10000"});
  CHECK(plan(R"({"cpu":{"shares":0,"quota":0,"period":0}})").empty());
  CHECK(plan(R"({"cpu":{"idle":1,"shares":1024}})") == Lines{"cpu.idle=1"});
  CHECK(plan(R"({"cpu":{"idle":0,"shares":1024}})") == Lines{"cpu.idle=0?", "cpu.weight=100?"});
  CHECK(plan(R"({"cpu":{"idle":2}})") == Lines{"linux.resources.cpu.idle: 2 is not 0 or 1"});
  CHECK(plan(R"({"cpu":{"cpus":"0-1,3","mems":"0"}})") == Lines{"cpuset.cpus=0-1,3", "cpuset.mems=0"});
  CHECK(plan(R"({"cpu":{"cpus":"all"}})") == Lines{"linux.resources.cpu.cpus: 'all' is not a list of numbers"});
}

TEST_CASE("pids", "[cgroups][plan]") {
  CHECK(plan(R"({"pids":{"limit":1024}})") == Lines{"pids.max=1024"});
  CHECK(plan(R"({"pids":{"limit":-1}})") == Lines{"pids.max=max?"});
  CHECK(plan(R"({"pids":{"limit":0}})") == Lines{"pids.max=1"});  // a limit, and the least that a process can be born into
  CHECK(plan(R"({"pids":{}})").empty());
}

TEST_CASE("-1 means no limit, less means nothing", "[cgroups][plan]") {
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"memory":{"limit":-2}})", "linux.resources.memory.limit: -2"},
      {R"({"memory":{"reservation":-9223372036854775808}})", "linux.resources.memory.reservation: -9223372036854775808"},
      {R"({"memory":{"limit":100,"swap":-3}})", "linux.resources.memory.swap: -3"},
      {R"({"cpu":{"quota":-7}})", "linux.resources.cpu.quota: -7"},
      {R"({"pids":{"limit":-4}})", "linux.resources.pids.limit: -4"},
  };
  for (const auto& [resources, field_and_value] : wrong)
    CHECK(plan(resources) == Lines{std::string(field_and_value) + " is less than -1, which means no limit"});
}

TEST_CASE("block i/o", "[cgroups][plan]") {
  CHECK(plan(R"({"blockIO":{"weight":10}})") == Lines{"io.weight=1"});
  CHECK(plan(R"({"blockIO":{"weight":1000}})") == Lines{"io.weight=10000"});
  CHECK(plan(R"({"blockIO":{"weight":5}})") == Lines{"linux.resources.blockIO.weight: 5 is not from 10 to 1000"});
  CHECK(plan(R"({"blockIO":{"weightDevice":[{"major":8,"minor":16,"weight":500}]}})") == Lines{"io.weight=8:16 4950"});
  CHECK(plan(R"({"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":100},{"major":9,"minor":1,"rate":0}],
                            "throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":7}]}})") ==
        Lines{"io.max=8:0 rbps=100 wiops=7", "io.max=9:1 rbps=max"});
  const auto resources = oci::parse_resources(R"({"blockIO":{"weight":500}})");
  const auto writes = plan_writes(resources.value());
  CHECK((writes.value()[0].preferred_file == "io.bfq.weight" && writes.value()[0].preferred_value == "500"));
}

TEST_CASE("huge pages: a zero limit may find no controller", "[cgroups][plan]") {
  CHECK(plan(R"({"hugepageLimits":[{"pageSize":"2MB","limit":0}]})") == Lines{"hugetlb.2MB.max=0?", "hugetlb.2MB.rsvd.max=0?"});
  CHECK(plan(R"({"hugepageLimits":[{"pageSize":"1GB","limit":1073741824}]})") ==
        Lines{"hugetlb.1GB.max=1073741824", "hugetlb.1GB.rsvd.max=1073741824?"});
  for (const char* size : {"", "2M", "MB", "02MB", "2MB/../x", "2.5MB"})
    CHECK_THAT(plan(R"({"hugepageLimits":[{"pageSize":")" + std::string(size) + R"(","limit":1}]})").front(),
               Catch::Contains("is not like '2MB'"));
}

TEST_CASE("unified comes last and verbatim, a device a write", "[cgroups][plan]") {
  CHECK(plan(R"({"unified":{"memory.high":"5000","io.max":"8:0 rbps=1\n8:16 wbps=2\n"},"pids":{"limit":5}})") ==
        Lines{"pids.max=5", "io.max=8:0 rbps=1", "io.max=8:16 wbps=2", "memory.high=5000"});
  for (const char* file :
       {"../memory.max", "a/b.c", "memory", ".", ".hidden", "", "cgroup.procs", "cgroup.kill", "cgroup.freeze", "cgroup.threads"}) {
    INFO(file);
    CHECK_THAT(plan(R"({"unified":{")" + std::string(file) + R"(":"1"}})").front(), Catch::StartsWith("linux.resources.unified"));
  }
}

TEST_CASE("rdma devices, one a write", "[cgroups][plan]") {
  CHECK(plan(R"({"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000},"mlx4_0":{"hcaObjects":1000}}})") ==
        Lines{"rdma.max=mlx4_0 hca_object=1000", "rdma.max=mlx5_1 hca_handle=3 hca_object=10000"});
  CHECK(plan(R"({"rdma":{"mlx5_1":{}}})") == Lines{"linux.resources.rdma.mlx5_1: has neither hcaHandles nor hcaObjects"});
  CHECK(plan(R"({"rdma":{"a b":{"hcaHandles":3}}})") == Lines{"linux.resources.rdma: 'a b' is no device"});
}
