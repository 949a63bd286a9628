// What another runtime's log says about a failure.
#include "monitor/foreign_call.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/unit/slurp.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::monitor;
using Catch::Contains;

namespace {

OciRuntime runtime_of(const test::TempDir& dir, const std::string& body) {
  OciRuntime runtime;
  runtime.set_binary(dir.path + "/run");
  runtime.set_root("/the/root");
  std::ofstream(runtime.binary()) << "#!/bin/sh\n" << body;
  std::filesystem::permissions(runtime.binary(), std::filesystem::perms::owner_all);
  return runtime;
}

}  // namespace

TEST_CASE("the last error of a log counts", "[monitor]") {
  CHECK(last_error("").empty());
  CHECK(last_error("no JSON\n{\"level\":\"warning\",\"msg\":\"w\"}\n").empty());
  CHECK(last_error("{\"level\":\"error\",\"msg\":\"first\"}\n{\"level\":\"error\",\"msg\":\"second\",\"time\":\"t\"}\n{\"level\":\"info\","
                   "\"msg\":\"i\"}") == "second");
  CHECK(last_error("{\"msg\":\"a \\\"word\\\"\",\"level\":\"fatal\"}\n") == "a \"word\"");
  CHECK(last_error("{\"level\":\"error\",\"msg\":\"" + std::string(5000, 'x') + "\"}").size() == 1024);
}

TEST_CASE("a runtime is called with its root, its log and its verb", "[monitor]") {
  const test::TempDir dir;
  OciRuntime runtime =
      runtime_of(dir, "echo \"$1 $2 $3 $5 $6 $7 $8 $9\" >" + dir.path + "/words; env | sort >>" + dir.path + "/words; exec 1>&-\n");
  runtime.set_systemd_cgroup(true);
  REQUIRE(call_runtime(runtime, {"start", "c1"}, {}).ok());
  const std::string words = test::slurp(dir.path + "/words");
  CHECK_THAT(words, Contains("--root /the/root --log --log-format json --systemd-cgroup start c1\n"));
  CHECK_THAT(words, !Contains("HOME="));
}

TEST_CASE("why a runtime failed is told", "[monitor]") {
  const test::TempDir dir;
  const auto said = [&](const std::string& body, MonotonicNanos patience = kRuntimeTime) {
    const auto result = call_runtime(runtime_of(dir, body), {"create", "c1"}, {}, patience);
    REQUIRE_FALSE(result.ok());
    return result.error();
  };
  CHECK(said("echo '{\"level\":\"error\",\"msg\":\"no such thing\"}' >>$4; exit 1\n").message == "run create: no such thing");
  CHECK(said("echo plain >>$4; exit 1\n").message == "run create: plain\n");
  CHECK(said("exit 3\n").message == "run create: it ended with status 3 and no word of why");
  CHECK(said("kill -9 $$\n").message == "run create: it was killed by signal 9");
  // What this process ignores is not ignored by the runtime.
  REQUIRE(::signal(SIGUSR1, SIG_IGN) != SIG_ERR);
  CHECK(said("kill -USR1 $$\n").message == fmt::format("run create: it was killed by signal {}", SIGUSR1));
  REQUIRE(::signal(SIGUSR1, SIG_DFL) != SIG_ERR);
  const Error late = said("sleep 1000\n", 100'000'000);
  CHECK(late.code == Code::deadline_exceeded);
  OciRuntime absent;
  absent.set_binary(dir.path + "/absent");
  CHECK_THAT(call_runtime(absent, {"create", "c1"}, {}).error().message, Contains("absent create: execute it: No such file"));
}
