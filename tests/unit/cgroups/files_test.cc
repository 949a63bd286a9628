// A cgroup on fake files: limits land in them, missing ones are named.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cgroups/cgroup.h"
#include "oci/parse.h"

using namespace slipway;
using namespace slipway::cgroups;

namespace {

struct TempDir {
  TempDir() {
    char name[] = "/tmp/slipway-cgroup-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~TempDir() { std::filesystem::remove_all(path); }
  void put(const std::string& file, const std::string& text = "") const { std::ofstream(path + "/" + file) << text; }
  std::string get(const std::string& file) const {
    std::ifstream in(path + "/" + file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string path;
};

Cgroup cgroup_of(const TempDir& dir) {
  auto c = Cgroup::open(dir.path);
  if (!c.ok()) FAIL(c.error().message);
  return std::move(c).take();
}

oci::Resources resources(const std::string& json) {
  auto r = oci::parse_resources(json);
  if (!r.ok()) FAIL(r.error().message);
  return std::move(r).take();
}

}  // namespace

TEST_CASE("limits land in their files", "[cgroups]") {
  TempDir dir;
  for (const char* file : {"memory.max", "memory.swap.max", "cpu.weight", "cpu.max", "pids.max"}) dir.put(file);
  REQUIRE(
      cgroup_of(dir)
          .apply(resources(R"({"memory":{"limit":536870912,"swap":536870912},"cpu":{"shares":1024,"quota":20000},"pids":{"limit":1024}})"))
          .ok());
  CHECK(dir.get("memory.max") == "536870912");
  CHECK(dir.get("memory.swap.max") == "0");
  CHECK(dir.get("cpu.weight") == "100");
  CHECK(dir.get("cpu.max") == "20000 100000");
  CHECK(dir.get("pids.max") == "1024");
}

TEST_CASE("a period alone leaves the quota", "[cgroups]") {
  TempDir dir;
  dir.put("cpu.max", "20000 100000\n");
  REQUIRE(cgroup_of(dir).apply(resources(R"({"cpu":{"period":200000}})")).ok());
  CHECK(dir.get("cpu.max") == "20000 200000\n");
}

TEST_CASE("a limit whose controller is missing names field, value, controller and file", "[cgroups]") {
  TempDir dir;
  const auto r = cgroup_of(dir).apply(resources(R"({"memory":{"limit":64}})"));
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().code == Code::failed_precondition);
  CHECK(r.error().message ==
        "linux.resources.memory.limit: write '64': the memory controller is not available: there is no " + dir.path + "/memory.max");
  CHECK(cgroup_of(dir)
            .apply(resources(R"({"hugepageLimits":[{"pageSize":"2MB","limit":0}],"memory":{"limit":-1},"pids":{"limit":-1}})"))
            .ok());
  CHECK_FALSE(cgroup_of(dir).apply(resources(R"({"hugepageLimits":[{"pageSize":"2MB","limit":1}]})")).ok());
  CHECK_FALSE(cgroup_of(dir).apply(resources(R"({"unified":{"memory.high":"max"}})")).ok());
}

TEST_CASE("BFQ's weight is preferred where it is", "[cgroups]") {
  TempDir dir;
  dir.put("io.weight");
  REQUIRE(cgroup_of(dir).apply(resources(R"({"blockIO":{"weight":500}})")).ok());
  CHECK(dir.get("io.weight") == "4950");
  dir.put("io.bfq.weight");
  dir.put("io.weight");
  REQUIRE(cgroup_of(dir).apply(resources(R"({"blockIO":{"weight":500}})")).ok());
  CHECK(dir.get("io.bfq.weight") == "500");
  CHECK(dir.get("io.weight").empty());
}

TEST_CASE("checkBeforeUpdate refuses a limit below the usage", "[cgroups]") {
  TempDir dir;
  dir.put("memory.max", "");
  dir.put("memory.current", "1000\n");
  const auto low = cgroup_of(dir).apply(resources(R"({"memory":{"limit":999,"checkBeforeUpdate":true}})"));
  REQUIRE_FALSE(low.ok());
  CHECK(low.error().code == Code::failed_precondition);
  CHECK(dir.get("memory.max").empty());
  CHECK(cgroup_of(dir).apply(resources(R"({"memory":{"limit":1000,"checkBeforeUpdate":true}})")).ok());
  TempDir without;  // no controller: the limit is what is missing, not the usage
  const auto none = cgroup_of(without).apply(resources(R"({"memory":{"limit":1000,"checkBeforeUpdate":true}})"));
  REQUIRE_FALSE(none.ok());
  CHECK_THAT(none.error().message, Catch::StartsWith("linux.resources.memory.limit: write '1000': the memory controller"));
  CHECK(dir.get("memory.max") == "1000");
}

TEST_CASE("statistics of what is there", "[cgroups]") {
  TempDir dir;
  dir.put("cpu.stat", "usage_usec 5\nuser_usec 3\nsystem_usec 2\n");
  auto bare = cgroup_of(dir).stats();
  REQUIRE(bare.ok());
  CHECK((bare.value().cpu.usage_usec == 5 && !bare.value().memory && !bare.value().pids && bare.value().io.empty() &&
         !bare.value().cpu_pressure));
  dir.put("memory.current", "4096\n");
  dir.put("memory.max", "max\n");
  dir.put("memory.stat", "inactive_file 96\n");
  dir.put("memory.events", "oom 1\noom_kill 2\n");
  dir.put("memory.swap.current", "7\n");
  dir.put("pids.current", "3\n");
  dir.put("pids.max", "10\n");
  dir.put("hugetlb.2MB.current", "2097152\n");
  dir.put("hugetlb.2MB.max", "max\n");
  dir.put("hugetlb.2MB.rsvd.current", "0\n");
  dir.put("memory.pressure", "some avg10=1.50 avg60=0.00 avg300=0.00 total=9\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
  const auto s = cgroup_of(dir).stats();
  if (!s.ok()) FAIL(s.error().message);
  CHECK((s.value().memory->current == 4096 && s.value().memory->max == kNoLimit && s.value().memory->working_set() == 4000));
  CHECK((s.value().memory->swap_current == 7U && !s.value().memory->swap_max && s.value().memory->events.oom_kill == 2));
  CHECK((s.value().pids->current == 3 && s.value().pids->max == 10));
  REQUIRE(s.value().hugetlb.size() == 1);
  CHECK((s.value().hugetlb[0].page_size == "2MB" && s.value().hugetlb[0].current == 2097152 && s.value().hugetlb[0].max == kNoLimit));
  CHECK(s.value().memory_pressure->some.avg10 == Approx(1.5));
  CHECK(cgroup_of(dir).oom_kills().value() == 2);
  dir.put("pids.current", "many\n");
  const auto bad = cgroup_of(dir).stats();
  REQUIRE_FALSE(bad.ok());
  CHECK_THAT(bad.error().message, Catch::Contains("pids.current"));
}

TEST_CASE("what is no cgroup2 file system is refused", "[cgroups]") {
  TempDir dir;
  const auto r = open_root(dir.path);
  REQUIRE_FALSE(r.ok());
  CHECK(r.error().code == Code::failed_precondition);
}
