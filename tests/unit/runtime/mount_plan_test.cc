// config.json's mounts as decisions, and paths as text.
#include "runtime/mount_plan.h"

#include <sys/mount.h>

#include <catch2/catch.hpp>

#include "runtime/paths.h"

using namespace slipway;
using runtime::Maker;

namespace {

oci::Spec spec_with(std::vector<oci::Mount> mounts) {
  oci::Spec spec;
  spec.mounts = std::move(mounts);
  spec.linux_.namespaces = {{oci::NamespaceType::mount, ""}, {oci::NamespaceType::cgroup, ""}};
  return spec;
}

oci::Mount mount_at(std::string destination, std::string type, std::vector<std::string> options = {}, std::string source = "/host") {
  return {std::move(destination), std::move(type), std::move(source), std::move(options), {}, {}};
}

}  // namespace

TEST_CASE("paths are cleaned without leaving the root", "[runtime]") {
  CHECK(runtime::clean_in_root("/a//b/./../c/") == "a/c");
  CHECK(runtime::clean_in_root("/../../etc") == "etc");
  CHECK(runtime::clean_in_root("/") == "");
  CHECK(runtime::clean_absolute("x/..") == "/");
  CHECK(runtime::clean_absolute("/a//b/./../c/.", runtime::Parents::kept) == "/a/b/../c");
  CHECK(runtime::clean_absolute("//", runtime::Parents::kept) == "/");
  CHECK(runtime::is_at_or_beneath("proc/sys", "proc"));
  CHECK_FALSE(runtime::is_at_or_beneath("process", "proc"));
}

TEST_CASE("what takes its namespace from its maker is left to init", "[runtime]") {
  const auto spec = spec_with({mount_at("/proc", "proc"), mount_at("/sys/fs/cgroup", "cgroup"), mount_at("/dev", "tmpfs"),
                               mount_at("/data", "bind", {"rbind"}), mount_at("/relative", "none", {"bind"}, "sub")});
  const auto planned = runtime::plan_mounts(spec, "/bundle");
  REQUIRE(planned.ok());
  const auto& mounts = planned.value().mounts;
  REQUIRE(mounts.size() == 5);
  CHECK(mounts[0].maker == Maker::init);
  CHECK(mounts[0].real_target);
  CHECK(mounts[1].maker == Maker::init);
  CHECK(mounts[1].type == "cgroup2");
  CHECK(mounts[2].maker == Maker::filesystem);
  CHECK(mounts[2].is_dev);
  CHECK(mounts[3].maker == Maker::bind);
  CHECK(mounts[3].options.recursive_bind);
  CHECK(mounts[4].source == "/bundle/sub");
  CHECK(planned.value().dev_is_mounted);
  CHECK_FALSE(planned.value().dev_is_bound);
}

TEST_CASE("without a cgroup namespace the host's tree is bound: a new mount would change the host's options", "[runtime]") {
  auto spec = spec_with({mount_at("/sys/fs/cgroup", "cgroup")});
  spec.linux_.namespaces.pop_back();
  const auto planned = runtime::plan_mounts(spec, "/bundle");
  REQUIRE(planned.ok());
  CHECK(planned.value().mounts[0].maker == Maker::cgroup_bind);
}

TEST_CASE("a read-only tmpfs becomes so after other targets were made in it", "[runtime]") {
  const auto planned = runtime::plan_mounts(spec_with({mount_at("/run", "tmpfs", {"ro", "nodev"})}), "/bundle");
  REQUIRE(planned.ok());
  CHECK(planned.value().mounts[0].readonly_last);
  CHECK(planned.value().mounts[0].options.attributes.set == MOUNT_ATTR_NODEV);
}

TEST_CASE("nothing but procfs goes over /proc or into it", "[runtime]") {
  CHECK_FALSE(runtime::plan_mounts(spec_with({mount_at("/proc", "tmpfs")}), "/b").ok());
  CHECK_FALSE(runtime::plan_mounts(spec_with({mount_at("/proc/self/attr", "tmpfs")}), "/b").ok());
  const auto bound = runtime::plan_mounts(spec_with({mount_at("/a/../proc/sys", "bind")}), "/b");
  REQUIRE(bound.ok());
  CHECK(bound.value().mounts[0].must_be_procfs);
  const auto lxcfs = runtime::plan_mounts(spec_with({mount_at("/proc/meminfo", "bind")}), "/b");
  REQUIRE(lxcfs.ok());
  CHECK_FALSE(lxcfs.value().mounts[0].must_be_procfs);
}

TEST_CASE("refusals name the mount", "[runtime]") {
  const auto root = runtime::plan_mounts(spec_with({mount_at("/data", "bind"), mount_at("/x/..", "bind")}), "/b");
  REQUIRE_FALSE(root.ok());
  CHECK_THAT(root.error().message, Catch::StartsWith("mounts[1]: destination '/x/..'"));
}

TEST_CASE("a bind with maps, or with idmap and a user namespace to take them from, is id-mapped", "[runtime]") {
  auto mapped = spec_with({mount_at("/data", "bind")});
  mapped.mounts[0].uid_mappings = mapped.mounts[0].gid_mappings = {{0, 1000, 1}};
  const auto planned = runtime::plan_mounts(mapped, "/b");
  REQUIRE(planned.ok());
  CHECK(planned.value().mounts[0].map_ids);
  CHECK(planned.value().mounts[0].ids.uids.size() == 1);
  auto by_option = spec_with({mount_at("/data", "bind")});
  by_option.mounts[0].options.push_back("idmap");
  CHECK_THAT(runtime::plan_mounts(by_option, "/b").error().message, Catch::Contains("neither uidMappings nor a user namespace"));
  by_option.linux_.namespaces.push_back({oci::NamespaceType::user, ""});
  CHECK(runtime::plan_mounts(by_option, "/b").ok());
  mapped.mounts[0].type = "tmpfs";
  mapped.mounts[0].options.clear();
  CHECK_THAT(runtime::plan_mounts(mapped, "/b").error().message, Catch::Contains("only a bind"));
}

TEST_CASE("id maps are read as the kernel writes them", "[runtime]") {
  const auto maps = runtime::parse_map_text("         0     100000      65536\n     70000          5          1\n");
  REQUIRE(maps.ok());
  CHECK(runtime::to_map_text(maps.value()) == "0 100000 65536\n70000 5 1\n");
  const runtime::UserNamespace user({}, {maps.value(), maps.value()});
  CHECK(user.host_uid(0).value() == 100000);
  CHECK(user.host_uid(65535).value() == 165535);
  CHECK(user.host_gid(70000).value() == 5);
  CHECK_FALSE(user.host_uid(65536).ok());
  CHECK_FALSE(runtime::parse_map_text("0 x 1\n").ok());
}
