// state.json there and back, and the specification's state.
#include "runtime/container_record.h"

#include <catch2/catch.hpp>

#include <sys/wait.h>

#include "runtime/state_dir.h"
#include "sys/process.h"
#include "tests/unit/leaderless.h"

using namespace slipway;

namespace {

runtime::ContainerRecord record() {
  runtime::ContainerRecord out;
  out.oci_version = "1.2.0";
  out.id = "web";
  out.pid = 4242;
  out.start_time = 18446744073709551615ULL;
  out.bundle = "/b \"quoted\"\n";
  out.rootfs = "/b/rootfs";
  out.cgroup = "/slipway/web";
  out.created = "2026-11-21T20:50:11.000000000Z";
  out.annotations = {{"a", "b"}, {"c\\", ""}};
  return out;
}

}  // namespace

TEST_CASE("a record survives the way to disk and back", "[runtime]") {
  const auto parsed = runtime::parse_record(runtime::write_record(record()));
  REQUIRE(parsed.ok());
  CHECK(parsed.value().start_time == record().start_time);
  CHECK(parsed.value().bundle == record().bundle);
  CHECK(parsed.value().annotations == record().annotations);
  CHECK(parsed.value().pid == 4242);
}

TEST_CASE("a container lives as long as the last thread of its process", "[runtime][attack]") {
  runtime::ContainerRecord lives = record();
  lives.pid = slipway::tests::fork_without_leader();
  lives.start_time = runtime::process_start_time(lives.pid).value().value();
  CHECK(runtime::open_process(lives).value());
  const auto pidfd = runtime::open_process(lives).take();
  REQUIRE(pidfd);
  REQUIRE(sys::pidfd_send_signal(*pidfd, SIGKILL).ok());
  REQUIRE(sys::poll_readable(*pidfd, 5000).value());
  CHECK_FALSE(runtime::open_process(lives).value());  // not reaped yet
  CHECK(::waitpid(lives.pid, nullptr, 0) == lives.pid);
  CHECK_FALSE(runtime::open_process(lives).value());
}

TEST_CASE("a damaged record is an error and not a process", "[runtime]") {
  for (const char* text : {"", "{}", "[]", R"({"id":"x","pid":0})", R"({"id":"x","pid":-1})", R"({"id":"x","pid":"1"})", R"({"id":"x")"})
    CHECK_FALSE(runtime::parse_record(text).ok());
}

TEST_CASE("a stopped container has no pid", "[runtime]") {
  CHECK_THAT(runtime::write_state(record(), runtime::Status::running, "root"), Catch::Contains(R"("pid":4242,"status":"running")"));
  CHECK_THAT(runtime::write_state(record(), runtime::Status::stopped, "root"), Catch::Contains(R"("pid":0,"status":"stopped")"));
}
