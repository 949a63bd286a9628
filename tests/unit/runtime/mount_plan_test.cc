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
  auto mapped = spec_with({mount_at("/data", "bind")});
  mapped.mounts[0].uid_mappings = {{0, 1000, 1}};
  const auto refused = runtime::plan_mounts(mapped, "/b");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::unimplemented);
}
