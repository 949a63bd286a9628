// What `events` tells of a class of service, on a tree of files that is like resctrl's: no such hardware is at hand.
#include "runtime/command/rdt_json.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "oci/json.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using runtime::command::rdt_json;

namespace {

struct Tree {
  test::TempDir dir;
  runtime::Resctrl resctrl{dir.path, {}, {}};

  Tree() {
    put("schemata", "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n");
    put("info/last_cmd_status", "ok\n");
  }
  void put(const std::string& name, const std::string& text) const {
    const std::string path = dir.path + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
  }
  void put_cache() const {
    put("info/L3/cbm_mask", "7ff\n");
    put("info/L3/min_cbm_bits", "1\n");
    put("info/L3/num_closids", "16\n");
  }
  void put_bandwidth() const {
    put("info/MB/bandwidth_gran", "10\n");
    put("info/MB/delay_linear", "1\n");
    put("info/MB/min_bandwidth", "10\n");
    put("info/MB/num_closids", "8\n");
  }
  void put_domain(const std::string& name, const char* total, const char* local, const char* occupancy) const {
    put(name + "/mbm_total_bytes", total);
    put(name + "/mbm_local_bytes", local);
    put(name + "/llc_occupancy", occupancy);
  }
};

}  // namespace

TEST_CASE("events tell of cache, bandwidth and what is monitored", "[runtime][rdt]") {
  Tree tree;
  tree.put_cache();
  tree.put_bandwidth();
  tree.put("info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n");
  tree.put("gold/schemata", "    MB:0= 20;1= 70\n    L3:0=00f;1=0f0\n");
  tree.put_domain("gold/mon_data/mon_L3_00", "1\n", "2\n", "3\n");
  tree.put_domain("gold/mon_groups/c1/mon_data/mon_L3_01", "30\n", "20\n", "10\n");
  tree.put_domain("gold/mon_groups/c1/mon_data/mon_L3_00", "300\n", "200\n", "100\n");
  oci::IntelRdt asked;
  asked.clos_id = "gold";
  asked.enable_monitoring = true;
  const auto json = rdt_json(tree.resctrl, runtime::rdt_group_of(tree.resctrl, asked, "c1"));
  REQUIRE(json.ok());
  CHECK(json.value() ==
        R"({"l3_cache_info":{"cbm_mask":"7ff","min_cbm_bits":1,"num_closids":16},"l3_cache_schema_root":"L3:0=7ff;1=7ff",)"
        R"("l3_cache_schema":"L3:0=00f;1=0f0","mem_bw_info":{"bandwidth_gran":10,"delay_linear":1,"min_bandwidth":10,"num_closids":8},)"
        R"("mem_bw_schema_root":"MB:0=100;1=100","mem_bw_schema":"MB:0= 20;1= 70","schemata":["MB:0= 20;1= 70","L3:0=00f;1=0f0"],)"
        R"("mbm_stats":[{"mbm_total_bytes":300,"mbm_local_bytes":200},{"mbm_total_bytes":30,"mbm_local_bytes":20}],)"
        R"("cmt_stats":[{"llc_occupancy":100},{"llc_occupancy":10}]})");
  // Without a group of its own: its class's.
  asked.enable_monitoring = false;
  const auto whole = rdt_json(tree.resctrl, runtime::rdt_group_of(tree.resctrl, asked, "c1"));
  REQUIRE(whole.ok());
  CHECK_THAT(whole.value(),
             Catch::Contains(R"("mbm_stats":[{"mbm_total_bytes":1,"mbm_local_bytes":2}],"cmt_stats":[{"llc_occupancy":3}])"));
}

TEST_CASE("events tell only what the processor has", "[runtime][rdt]") {
  Tree tree;
  tree.put_bandwidth();
  const auto json = rdt_json(tree.resctrl, runtime::rdt_group_of(tree.resctrl, {.clos_id = "/"}, "c1"));
  REQUIRE(json.ok());
  CHECK(json.value() ==
        R"({"mem_bw_info":{"bandwidth_gran":10,"delay_linear":1,"min_bandwidth":10,"num_closids":8},)"
        R"("mem_bw_schema_root":"MB:0=100;1=100","mem_bw_schema":"MB:0=100;1=100","schemata":["MB:0=100;1=100","L3:0=7ff;1=7ff"]})");
  tree.put("info/L3_MON/mon_features", "mbm_local_bytes\nsomething_newer\n");
  tree.put("mon_data/mon_L3_00/mbm_local_bytes", "Unavailable\n");
  const auto none = rdt_json(tree.resctrl, runtime::rdt_group_of(tree.resctrl, {.clos_id = "/"}, "c1"));
  REQUIRE_FALSE(none.ok());
  CHECK_THAT(none.error().message, Catch::Contains("mon_L3_00/mbm_local_bytes: 'Unavailable' is not a number"));
}

TEST_CASE("a class that has gone is an error by name", "[runtime][rdt]") {
  const Tree tree;
  const auto json = rdt_json(tree.resctrl, runtime::rdt_group_of(tree.resctrl, {}, "c1"));
  REQUIRE_FALSE(json.ok());
  CHECK_THAT(json.error().message, Catch::Contains("/c1/schemata"));
}
