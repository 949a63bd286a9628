// Slices, scopes and their paths.
#include "cgroups/unit_names.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::cgroups;

namespace {

std::string refused(const Result<std::string>& result) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Code::invalid_argument);
  return result.error().message;
}

}  // namespace

TEST_CASE("a slice's name says where it is", "[cgroups][systemd]") {
  CHECK(expand_slice("-.slice").value().empty());
  CHECK(expand_slice("a.slice").value() == "/a.slice");
  CHECK(expand_slice("kubepods-burstable-pod0f_1e.slice").value() ==
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0f_1e.slice");
  for (const char* wrong : {"", "a", ".slice", "a.scope", "-a.slice", "a-.slice", "a--b.slice", "a/b.slice", "a b.slice", "a\n.slice"})
    CHECK_THAT(refused(expand_slice(wrong)), Catch::Contains(std::string("'") + wrong + "'"));
  CHECK_FALSE(expand_slice(std::string(250, 'a') + ".slice").ok());
}

TEST_CASE("a path tells by its ending whose it is", "[cgroups][systemd]") {
  CHECK(is_slice("/a.slice/a-b.slice"));
  CHECK(is_slice("a.slice/"));
  CHECK(is_scope("/a.slice/b.scope"));
  CHECK_FALSE(is_unit("/a.slice/b"));
  CHECK_FALSE(is_unit("/.slice"));
  CHECK_FALSE(is_unit("/"));
  CHECK(unit_of("/a.slice/b.scope") == "b.scope");
  CHECK(slice_of("/a.slice/b.scope") == "a.slice");
  CHECK(slice_of("/b.scope") == "-.slice");
}

TEST_CASE("cgroupsPath as --systemd-cgroup reads it", "[cgroups][systemd]") {
  CHECK(parse_systemd_path("a-b.slice:p:n", "id").value() == "/a.slice/a-b.slice/p-n.scope");
  CHECK(parse_systemd_path("a.slice::n", "id").value() == "/a.slice/n.scope");
  CHECK(parse_systemd_path(":p:n", "id").value() == "/system.slice/p-n.scope");
  CHECK(parse_systemd_path("", "id").value() == "/system.slice/slipway-id.scope");
  CHECK(parse_systemd_path("-.slice:p:n", "id").value() == "/p-n.scope");
  for (const char* wrong : {"/a/b", "a.slice:n", "a.slice:p:n:m", "a:p:n", "a.slice:p:n/m"})
    CHECK_THAT(refused(parse_systemd_path(wrong, "id")), Catch::Contains("linux.cgroupsPath"));
}
