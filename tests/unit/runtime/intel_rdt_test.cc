// linux.intelRdt on a tree of files that is like resctrl's: no such hardware is at hand.
#include "runtime/intel_rdt.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/unit/slurp.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using runtime::Resctrl;

namespace {

// As the kernel does it: a directory comes with its files.
struct Tree {
  test::TempDir dir;
  Resctrl resctrl{dir.path, [this](const std::string& path) { return make(path); }, [](const std::string& path) { return remove(path); }};
  std::string refused;

  Tree() {
    fill(dir.path, "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n");
    std::filesystem::create_directory(dir.path + "/info");
    put(dir.path + "/info/last_cmd_status", "ok\n");
  }
  static void put(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
  static void fill(const std::string& path, const std::string& schemata) {
    put(path + "/schemata", schemata);
    put(path + "/tasks", "");
    std::filesystem::create_directory(path + "/mon_groups");
  }
  Result<void> make(const std::string& path) const {
    if (path == refused) return fail_errno(ENOSPC, "make '{}'", path);
    if (!std::filesystem::create_directory(path)) return fail_errno(EEXIST, "make '{}'", path);
    if (path.find("mon_groups") == std::string::npos) {
      fill(path, "");
    } else {
      put(path + "/tasks", "");
    }
    return {};
  }
  static Result<void> remove(const std::string& path) {
    std::filesystem::remove_all(path);
    return {};
  }
  bool has(const std::string& name) const { return std::filesystem::exists(dir.path + "/" + name); }
  std::string text(const std::string& name) const { return test::slurp(dir.path + "/" + name); }
};

}  // namespace

TEST_CASE("a class of the container's own is made, entered and goes with it", "[runtime][rdt]") {
  Tree tree;
  oci::IntelRdt asked;
  asked.schemata = {"L2:0=f", "L3CODE:0=3"};
  asked.mem_bw_schema = "MB:0=20;1=70";
  asked.l3_cache_schema = "L3:0=7f0;1=1f";
  asked.enable_monitoring = true;
  auto group = runtime::make_rdt_group(tree.resctrl, asked, "c1");
  REQUIRE(group.ok());
  CHECK(tree.text("c1/schemata") == "L3:0=7f0;1=1f\nMB:0=20;1=70\nL2:0=f\nL3CODE:0=3\n");
  REQUIRE(runtime::enter_rdt_group(group.value(), 42).ok());
  CHECK(tree.text("c1/tasks") == "42");
  CHECK(tree.text("c1/mon_groups/c1/tasks") == "42");
  CHECK(group.value().made == std::vector<std::string>{tree.dir.path + "/c1/mon_groups/c1", tree.dir.path + "/c1"});
  CHECK(group.value().made == runtime::rdt_group_of(tree.resctrl, asked, "c1").made);
  REQUIRE(runtime::remove_rdt_groups(tree.resctrl, group.value().made).ok());
  CHECK_FALSE(tree.has("c1"));
  CHECK(tree.text("schemata") == "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n");
}

TEST_CASE("an empty object makes a class without touching schemata", "[runtime][rdt]") {
  Tree tree;
  const auto group = runtime::make_rdt_group(tree.resctrl, {}, "c1");
  REQUIRE(group.ok());
  CHECK(tree.has("c1"));
  CHECK(tree.text("c1/schemata").empty());
  const auto again = runtime::make_rdt_group(tree.resctrl, {}, "c1");  // somebody else's: it would be taken away with the container
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().code == Code::already_exists);
}

TEST_CASE("update writes other schemata into the class", "[runtime][rdt]") {
  Tree tree;
  oci::IntelRdt asked;
  asked.l3_cache_schema = "L3:0=f";
  const auto group = runtime::make_rdt_group(tree.resctrl, asked, "c1");
  REQUIRE(group.ok());
  oci::IntelRdt other;
  other.mem_bw_schema = "MB:0=30";
  REQUIRE(runtime::change_schemata(tree.resctrl, group.value(), other).ok());
  CHECK(tree.text("c1/schemata") == "L3:0=f\nMB:0=30\n");  // a tree of files appends; the kernel merges
}

TEST_CASE("a named class is there, or is made with its schemata, and stays", "[runtime][rdt]") {
  Tree tree;
  oci::IntelRdt asked;
  asked.clos_id = "gold";
  const auto missing = runtime::make_rdt_group(tree.resctrl, asked, "c1");
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().message.find("/gold") != std::string::npos);
  CHECK_FALSE(tree.has("gold"));

  asked.l3_cache_schema = "L3:0=f";
  const auto made = runtime::make_rdt_group(tree.resctrl, asked, "c1");
  REQUIRE(made.ok());
  CHECK(made.value().made.empty());
  CHECK(tree.text("gold/schemata") == "L3:0=f\n");

  const auto second = runtime::make_rdt_group(tree.resctrl, asked, "c2");
  REQUIRE(second.ok());
  CHECK(tree.text("gold/schemata") == "L3:0=f\n");  // compared, not written

  asked.l3_cache_schema = "L3:0=ff";
  const auto other = runtime::make_rdt_group(tree.resctrl, asked, "c3");
  REQUIRE_FALSE(other.ok());
  CHECK(other.error().message.find("'L3:0=ff'") != std::string::npos);
}

TEST_CASE("the default class, monitored", "[runtime][rdt]") {
  Tree tree;
  oci::IntelRdt asked;
  asked.clos_id = "/";
  asked.enable_monitoring = true;
  const auto group = runtime::make_rdt_group(tree.resctrl, asked, "c1");
  REQUIRE(group.ok());
  REQUIRE(runtime::enter_rdt_group(group.value(), 7).ok());
  CHECK((tree.text("tasks") == "7" && tree.text("mon_groups/c1/tasks") == "7"));
  CHECK(group.value().made == std::vector<std::string>{tree.dir.path + "/mon_groups/c1"});
}

TEST_CASE("what cannot be had leaves nothing behind", "[runtime][rdt]") {
  Tree tree;
  oci::IntelRdt asked;
  asked.enable_monitoring = true;
  tree.refused = tree.dir.path + "/c1/mon_groups/c1";
  auto group = runtime::make_rdt_group(tree.resctrl, asked, "c1");
  REQUIRE_FALSE(group.ok());
  CHECK(group.error().message.find("enableMonitoring") != std::string::npos);
  CHECK_FALSE(tree.has("c1"));
  tree.refused = tree.dir.path + "/c1";
  group = runtime::make_rdt_group(tree.resctrl, asked, "c1");
  REQUIRE_FALSE(group.ok());
  CHECK(group.error().sys_errno == ENOSPC);
}

TEST_CASE("schemata are compared by value", "[runtime][rdt]") {
  const std::string file = "    L3:0=007ff;1=0000f\n    MB:0=  20;1= 100\n";
  for (const char* line : {"L3:0=7ff", "L3:1=f;0=7FF", "L3:0=0x7ff", "MB:0=20", "MB:1=100;0=20", "MB:0=20\n"})
    CHECK(runtime::has_schema(file, line));
  for (const char* line : {"L3:0=7fe", "L3:2=f", "MB:0=2", "L2:0=f", "MB:1=0x64"}) CHECK_FALSE(runtime::has_schema(file, line));
}

TEST_CASE("the machine's own resctrl is found or missed by name", "[runtime][rdt]") {
  const auto found = runtime::find_resctrl();
  if (!found.ok()) {
    CHECK(found.error().message == "no resctrl file system is mounted");
  } else {
    CHECK(std::filesystem::exists(found.value().root + "/schemata"));
  }
}
