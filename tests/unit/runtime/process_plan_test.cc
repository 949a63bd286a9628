// The process as init's plan.
#include "runtime/process_plan.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "runtime/signals.h"

using namespace slipway;

namespace {

oci::Process small_process() {
  oci::Process process;
  process.args = {"sh", "-c", "true"};
  process.env = {"PATH=/a:/b", "X=1"};
  return process;
}

}  // namespace

TEST_CASE("a program is looked for in PATH of its own environment", "[runtime]") {
  using runtime::program_candidates;
  CHECK(program_candidates("sh", {"PATH=/a:/b"}) == std::vector<std::string>{"/a/sh", "/b/sh"});
  CHECK(program_candidates("sh", {"PATH=:/b:"}) == std::vector<std::string>{"./sh", "/b/sh", "./sh"});
  CHECK(program_candidates("sh", {"PATH=/a", "PATH=/z"}) == std::vector<std::string>{"/z/sh"});
  CHECK(program_candidates("./sh", {"PATH=/a"}) == std::vector<std::string>{"./sh"});
  CHECK(program_candidates("sh", {"OTHERPATH=/a"}).size() == 6);
}

TEST_CASE("the plan points at the process's own strings", "[runtime]") {
  oci::Process process = small_process();
  process.user = {1000, 1001, 077, {5, 6}};
  process.rlimits = {{"RLIMIT_NOFILE", 200, 100}};
  process.oom_score_adj = -17;
  process.terminal = true;
  process.console_size = oci::ConsoleSize{33, 77};
  runtime::LaunchPlan plan;
  REQUIRE(runtime::plan_process(process, nullptr, 40, nullptr, plan).ok());
  plan.freeze();
  CHECK(std::string(plan.init.argv[2]) == "true");
  CHECK(plan.init.argv[3] == nullptr);
  CHECK(plan.init.envp[1] == process.env[1].c_str());
  CHECK(plan.init.uid == 1000);
  CHECK(plan.init.umask == 077);
  REQUIRE(plan.init.groups.size == 2);
  CHECK(plan.init.groups[1] == 6);
  REQUIRE(plan.init.limits.size == 1);
  CHECK(plan.init.limits[0].resource == RLIMIT_NOFILE);
  CHECK(plan.init.limits[0].soft == 100);
  REQUIRE(plan.init.proc_writes.size == 1);
  CHECK(std::string(plan.init.proc_writes[0].value) == "-17");
  CHECK(plan.init.terminal.rows == 33);
  CHECK_FALSE(plan.init.filter.wanted);
}

TEST_CASE("the umask is 0022 unless given, and no capability is held unless given", "[runtime]") {
  const oci::Process process = small_process();
  runtime::LaunchPlan plan;
  REQUIRE(runtime::plan_process(process, nullptr, 40, nullptr, plan).ok());
  CHECK(plan.init.umask == 0022);
  CHECK(plan.init.capabilities.permitted == 0);
  CHECK(plan.init.capabilities.bounding == 0);
}

TEST_CASE("refusals of a process name the field", "[runtime]") {
  const auto message = [](const oci::Process& process) {
    runtime::LaunchPlan plan;
    const auto planned = runtime::plan_process(process, nullptr, 40, nullptr, plan);
    return planned.ok() ? std::string() : planned.error().message;
  };
  oci::Process process = small_process();
  process.rlimits = {{"RLIMIT_FOO", 1, 1}};
  CHECK_THAT(message(process), Catch::StartsWith("process.rlimits[0].type: 'RLIMIT_FOO'"));
  process.rlimits = {{"RLIMIT_CPU", 1, 2}};
  CHECK_THAT(message(process), Catch::Contains("soft is above hard"));
  process = small_process();
  process.cwd = "relative";
  CHECK_THAT(message(process), Catch::StartsWith("process.cwd"));
  process = small_process();
  process.args.clear();
  CHECK_THAT(message(process), Catch::StartsWith("process.args"));
  process = small_process();
  process.apparmor_profile = "two\nlines";
  CHECK_THAT(message(process), Catch::StartsWith("process.apparmorProfile"));
}

TEST_CASE("signals are read as people write them", "[runtime]") {
  using runtime::parse_signal;
  CHECK(parse_signal("9").value() == 9);
  CHECK(parse_signal("SIGTERM").value() == 15);
  CHECK(parse_signal("usr1").value() == 10);
  CHECK(parse_signal("SIGRTMIN+3").value() == 37);
  CHECK(parse_signal("RTMAX-1").value() == 63);
  for (const char* bad : {"", "0", "65", "-1", "SIGFOO", "9x", "RTMIN+31", "RTMIN3", "RTMIN+-33", "RTMAX--1"})
    CHECK_FALSE(parse_signal(bad).ok());
}
