// A cgroup's numbers as runc's callers read them.
#include "runtime/command/stats_json.h"

#include <catch2/catch.hpp>

#include "oci/json.h"

using namespace slipway;
using Catch::Contains;

TEST_CASE("statistics as runc's callers read them", "[runtime]") {
  cgroups::Stats stats;
  stats.cpu = {.usage_usec = 5, .user_usec = 3, .system_usec = 2, .nr_periods = 7, .nr_throttled = 1, .throttled_usec = 4};
  const std::string few = runtime::command::stats_json(stats, {});
  CHECK(few ==
        R"({"cpu":{"usage":{"total":5000,"kernel":2000,"user":3000},"throttling":{"periods":7,"throttledPeriods":1,"throttledTime":4000}},)"
        R"("cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,)"
        R"("memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},)"
        R"("blkio":{"ioServiceBytesRecursive":[],"ioServicedRecursive":[]},"hugetlb":{},)"
        R"("intel_rdt":{},"network_interfaces":null})");
  stats.memory.emplace().current = 100;
  stats.memory->max = 1000;
  stats.memory->swap_max = 50;
  stats.pids = cgroups::Pids{3, cgroups::kNoLimit};
  stats.io = {{.major = 8, .minor = 1, .rbytes = 10, .wbytes = 20, .rios = 1, .wios = 2, .dbytes = 0, .dios = 0}};
  stats.hugetlb = {{"2MB", 4096, cgroups::kNoLimit}, {"1GB", 0, 0}};
  stats.cpu_pressure.emplace().some.avg10 = 1.5;
  const std::string all = runtime::command::stats_json(
      stats, {"anon 4096\npgfault 12\nwithout-number\nodd 1x\nlast 7", "0-2,7\n", "0\n", R"({"schemata":["L3:0=f"]})"});
  CHECK(oci::json::Document::parse(all, {}).ok());
  CHECK_THAT(all, Contains(R"("usage":{"limit":1000,"usage":100,)") && Contains(R"("swap":{"limit":1050,"usage":100,)"));
  CHECK_THAT(all, Contains(R"("pids":{"current":3,"limit":0})") && Contains(R"({"major":8,"minor":1,"op":"Write","value":20})"));
  CHECK_THAT(
      all, Contains(R"("hugetlb":{"2MB":{"usage":4096,"failcnt":0},"1GB":{"usage":0,"failcnt":0}},"intel_rdt":{"schemata":["L3:0=f"]},)"));
  CHECK_THAT(all, Contains(R"("cpuset":{"cpus":[0,1,2,7],"cpu_exclusive":0,"mems":[0],"mem_hardwall":0,)"));
  CHECK_THAT(
      all,
      Contains(
          R"("kernel":{"limit":0,"usage":0,"failcnt":0},"kernelTCP":{"limit":0,"failcnt":0},"raw":{"anon":4096,"pgfault":12,"last":7}})"));
  CHECK_THAT(all, Contains(R"("psi":{"some":{"avg10":1.5,)"));
}
