// What a typed name means.
#include "cli/targets.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::cli;
using Catch::Contains;

namespace {

const std::vector<Target> kAll = {
    {Kind::pod, "aaa111", "web", "aaa111", true},          {Kind::container, "bbb111", "web", "aaa111", true},
    {Kind::pod, "aaa222", "db", "aaa222", true},           {Kind::container, "bbb222", "postgres", "aaa222", true},
    {Kind::container, "bbb333", "backup", "aaa222", true}, {Kind::pod, "ccc111", "job", "ccc111", false},
    {Kind::container, "ddd111", "job", "ccc111", false},   {Kind::pod, "eee111", "job", "eee111", true},
    {Kind::container, "fff111", "job", "eee111", true},    {Kind::pod, "999999", "aaa", "999999", true},
};

}  // namespace

TEST_CASE("names, ids and their beginnings", "[cli]") {
  CHECK(find_target(kAll, "db").value().id == "aaa222");
  CHECK(find_target(kAll, "aaa222").value().name == "db");
  CHECK(find_target(kAll, "aaa2").value().name == "db");
  CHECK(find_target(kAll, "postgres").value().kind == Kind::container);
  CHECK(find_target(kAll, "aaa").value().id == "999999");  // a name comes before the beginning of an id
}

TEST_CASE("a pod comes before its own container, the live before the ended", "[cli]") {
  CHECK(find_target(kAll, "web").value().kind == Kind::pod);
  CHECK(find_target(kAll, "job").value().id == "eee111");
  CHECK(find_container(kAll, "job").value().id == "fff111");
}

TEST_CASE("a pod stands for its only container", "[cli]") {
  CHECK(find_container(kAll, "web").value().id == "bbb111");
  CHECK(find_container(kAll, "aaa111").value().id == "bbb111");
  const auto several = find_container(kAll, "db");
  REQUIRE_FALSE(several.ok());
  CHECK_THAT(several.error().message, Contains("postgres") && Contains("backup"));
  const auto none = find_container(kAll, "999999");
  REQUIRE_FALSE(none.ok());
  CHECK_THAT(none.error().message, Contains("has no container"));
}

TEST_CASE("what is ambiguous names its matches, what is absent says so", "[cli]") {
  const auto ambiguous = find_target(kAll, "bbb");
  REQUIRE_FALSE(ambiguous.ok());
  CHECK(ambiguous.error().code == Code::invalid_argument);
  CHECK_THAT(ambiguous.error().message, Contains("postgres") && Contains("backup") && Contains("web"));
  CHECK(find_target(kAll, "nope").error().code == Code::not_found);
  CHECK(find_target(kAll, "").error().code == Code::invalid_argument);
}
