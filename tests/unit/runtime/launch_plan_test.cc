// The frozen plan and init's messages as sentences.
#include "runtime/launch_plan.h"

#include <fcntl.h>

#include <catch2/catch.hpp>

using namespace slipway;
using runtime::init::Kind;
using runtime::init::Message;
using runtime::init::Step;

namespace {

Message failure(Step step, std::uint32_t index, int error) {
  return {Kind::failed, step, index, error};
}

}  // namespace

TEST_CASE("kept strings do not move", "[runtime]") {
  runtime::LaunchPlan plan;
  const char* first = plan.keep("first");
  for (int i = 0; i < 1000; ++i) plan.keep(std::string(static_cast<std::size_t>(i), 'x'));
  CHECK(std::string(first) == "first");
}

TEST_CASE("descriptors to keep are sorted and named once", "[runtime]") {
  runtime::LaunchPlan plan;
  const int owned = plan.own(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  plan.borrow(owned + 100);
  plan.borrow(owned + 50);
  plan.borrow(owned);
  plan.freeze();
  REQUIRE(plan.init.keep.size == 3);
  CHECK(plan.init.keep[0] == owned);
  CHECK(plan.init.keep[1] == owned + 50);
  CHECK(plan.init.keep[2] == owned + 100);
}

TEST_CASE("a failure becomes a sentence with its code", "[runtime]") {
  runtime::LaunchPlan plan;
  plan.argv = {"web"};
  plan.candidates = {"/bin/web", "/usr/bin/web"};
  plan.mounts.push_back({});
  plan.mounts[0].target = "data/x";
  plan.proc_writes.push_back({"sys/kernel/msgmax", "42", 2});
  plan.freeze();
  const auto missing = plan.describe(failure(Step::lookup, 0, ENOENT));
  CHECK(missing.message == "exec 'web': executable file not found in $PATH");
  CHECK(missing.code == Code::not_found);
  const auto forbidden = plan.describe(failure(Step::lookup, 0, EACCES));
  CHECK(forbidden.message == "exec 'web': Permission denied");
  CHECK(forbidden.code == Code::permission_denied);
  CHECK(plan.describe(failure(Step::mount_target, 0, ENOTDIR)).message == "mount target '/data/x' in the root: Not a directory");
  CHECK_THAT(plan.describe(failure(Step::mount_target, 0, ELOOP)).message, Catch::Contains("symbolic link"));
  CHECK(plan.describe(failure(Step::proc_write, 0, EINVAL)).message ==
        "linux.sysctl: write '42' to /proc/sys/kernel/msgmax: Invalid argument");
}

TEST_CASE("an index that init made up is no reason to read beyond the plan", "[runtime]") {
  runtime::LaunchPlan plan;
  plan.freeze();
  for (int step = 0; step <= static_cast<int>(Step::exec) + 1; ++step) {
    const auto error = plan.describe(failure(static_cast<Step>(step), 4'000'000'000U, EINVAL));
    CHECK_FALSE(error.message.empty());
  }
}
