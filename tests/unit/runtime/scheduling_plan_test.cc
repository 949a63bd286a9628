// Scheduling as init's plan.
#include "runtime/scheduling_plan.h"

#include <catch2/catch.hpp>

using namespace slipway;
using Catch::StartsWith;
using runtime::LaunchPlan;

namespace {

std::string verdict(const oci::Process& process, const oci::Linux& linux_ = {}) {
  LaunchPlan plan;
  const auto r = plan_scheduling(process, linux_, plan);
  return r.ok() ? "ok" : r.error().message;
}

oci::Process with(const oci::Scheduler& scheduler) {
  oci::Process process;
  process.scheduler = scheduler;
  return process;
}

}  // namespace

TEST_CASE("who asks for nothing gets no system call", "[runtime]") {
  LaunchPlan plan;
  REQUIRE(plan_scheduling({}, {}, plan).ok());
  CHECK_FALSE((plan.init.scheduling.wanted || plan.init.scheduling.early));
}

TEST_CASE("scheduler and I/O priority", "[runtime]") {
  oci::Process process = with({"SCHED_FIFO", 0, 42, {"SCHED_FLAG_RESET_ON_FORK"}, 0, 0, 0});
  process.io_priority = oci::IoPriority{"IOPRIO_CLASS_BE", 6};
  LaunchPlan plan;
  REQUIRE(plan_scheduling(process, {}, plan).ok());
  const auto& s = plan.init.scheduling;
  CHECK((s.wanted && s.scheduler && s.attributes.policy == 1 && s.attributes.priority == 42 && s.attributes.flags == 1));
  CHECK(s.io_priority == ((2 << 13) | 6));
  CHECK_THAT(verdict(with({"SCHED_NONE", 0, 0, {}, 0, 0, 0})), StartsWith("process.scheduler.policy: 'SCHED_NONE' is not known"));
  CHECK_THAT(verdict(with({"SCHED_RR", 0, 100, {}, 0, 0, 0})), StartsWith("process.scheduler.priority: 100"));
  CHECK_THAT(verdict(with({"SCHED_OTHER", 20, 0, {}, 0, 0, 0})), StartsWith("process.scheduler.nice: 20"));
  CHECK_THAT(verdict(with({"SCHED_OTHER", 0, 0, {"X"}, 0, 0, 0})), StartsWith("process.scheduler.flags[0]: 'X' is not known"));
  oci::Process io;
  io.io_priority = oci::IoPriority{"IOPRIO_CLASS_RT", 8};
  CHECK_THAT(verdict(io), StartsWith("process.ioPriority.priority: 8"));
  io.io_priority = oci::IoPriority{"RT", 0};
  CHECK_THAT(verdict(io), StartsWith("process.ioPriority.class: 'RT' is not known"));
}

TEST_CASE("what a child does not inherit is set in the last process", "[runtime]") {
  const auto early = [](const char* policy, std::vector<std::string> flags) {
    LaunchPlan plan;
    plan.init.user_namespace = 5;
    const auto process = with({policy, 0, 0, std::move(flags), 0, 0, 0});
    REQUIRE(plan_scheduling(process, {}, plan).ok());
    return plan.init.scheduling.early;
  };
  CHECK(early("SCHED_BATCH", {}));
  CHECK_FALSE(early("SCHED_DEADLINE", {}));
  CHECK_FALSE(early("SCHED_FIFO", {"SCHED_FLAG_RESET_ON_FORK"}));
}

TEST_CASE("personality and memory policy", "[runtime]") {
  oci::Linux l;
  l.personality = oci::Personality{"LINUX32", {}};
  l.memory_policy = oci::MemoryPolicy{"MPOL_INTERLEAVE", "0-1,65", {"MPOL_F_STATIC_NODES"}};
  LaunchPlan plan;
  REQUIRE(plan_scheduling({}, l, plan).ok());
  CHECK(plan.init.scheduling.personality == 8);
  CHECK(plan.init.scheduling.memory_mode == (3 | 1 << 15));
  CHECK(plan.memory_nodes == std::vector<unsigned long>{3, 2});
  l.personality->flags = {"ADDR_NO_RANDOMIZE"};
  CHECK_THAT(verdict({}, l), StartsWith("linux.personality.flags: 'ADDR_NO_RANDOMIZE'"));
  l.personality = oci::Personality{"BSD", {}};
  CHECK_THAT(verdict({}, l), StartsWith("linux.personality.domain: 'BSD' is not known"));
  l.personality.reset();
  l.memory_policy->nodes = "1-0";
  CHECK_THAT(verdict({}, l), StartsWith("linux.memoryPolicy.nodes: '1-0' is not a list"));
  l.memory_policy->mode = "BIND";
  CHECK_THAT(verdict({}, l), StartsWith("linux.memoryPolicy.mode: 'BIND' is not known"));
}

TEST_CASE("lists of numbers", "[runtime]") {
  using runtime::parse_number_list;
  CHECK(parse_number_list("f", "0").value() == std::vector<unsigned long>{1});
  CHECK(parse_number_list("f", "0-3,7").value() == std::vector<unsigned long>{0x8f});
  for (const char* bad : {"", ",", "1,", "-1", "1-", "a", "1 2", "8192", "0-99999999999", "1--2", "3-2"}) {
    INFO(bad);
    CHECK_FALSE(parse_number_list("f", bad).ok());
  }
}
