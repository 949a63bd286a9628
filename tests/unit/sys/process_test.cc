// Spawned programs get what they were given and nothing else.
#include "sys/process.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "sys/descriptor.h"
#include "sys/file.h"

using namespace slipway;

TEST_CASE("a spawned program has its arguments, environment and only its descriptors", "[sys]") {
  sys::Pipe out = std::move(sys::make_pipe()).take();
  // lint: allow open, because this one must try to leak
  UniqueFd leak(::open("/dev/null", O_RDONLY));
  sys::SpawnRequest request{.program = "/bin/sh",
                            .argv = {"sh", "-c", "echo $A; echo hi >&3; ls /proc/self/fd | wc -l; exit 7"},
                            .env = {"A=b", "PATH=/bin:/usr/bin"}};
  request.stdio[1] = out.write.get();
  request.extra = {out.write.get()};
  auto child = sys::spawn(request);
  REQUIRE(child.ok());
  out.write.reset();
  CHECK(sys::read_fd(out.read, 1000).value() == "b\nhi\n5\n");  // 0 1 2 3 and ls's own
  CHECK(child.value().wait().value().code == 7);
}

TEST_CASE("what a program says comes with its end", "[sys]") {
  const auto said = [](const char* script, int timeout_ms, std::size_t limit) {
    return sys::run_to_end({.program = "/bin/sh", .argv = {"sh", "-c", script}, .env = {"PATH=/bin"}, .own_group = true}, timeout_ms,
                           limit);
  };
  const auto ran = said("echo out; echo err >&2; exit 3", 60'000, 100);
  REQUIRE(ran.ok());
  CHECK(ran.value().status.code == 3);
  CHECK(ran.value().said == "out\nerr\n");
  CHECK(said("echo more than that", 60'000, 4).error().code == Code::resource_exhausted);
  CHECK(said("sleep 1000 & wait", 0, 100).error().code == Code::deadline_exceeded);
  CHECK(sys::run_to_end({.program = "/no/such", .argv = {"x"}}, 0, 100).error().code == Code::not_found);
}

TEST_CASE("a signal's end is told as 128 + n", "[sys]") {
  auto child = sys::spawn({.program = "/bin/sleep", .argv = {"sleep", "100"}});
  REQUIRE(child.ok());
  CHECK_FALSE(child.value().wait_for(0).value().has_value());
  REQUIRE(child.value().send_signal(SIGTERM).ok());
  const auto status = child.value().wait().value();
  CHECK(status.code == 143);
  CHECK(status.signal == SIGTERM);
}

TEST_CASE("a child is killed with its owner and a missing program is an error", "[sys]") {
  UniqueFd pidfd;
  {
    auto child = sys::spawn({.program = "/bin/sleep", .argv = {"sleep", "100"}});
    REQUIRE(child.ok());
    pidfd.reset(::fcntl(child.value().pidfd().get(), F_DUPFD_CLOEXEC, 3));
  }
  CHECK(sys::poll_readable(pidfd, 0).value());
  CHECK(sys::spawn({.program = "/no/such", .argv = {"x"}}).error().code == Code::not_found);
}
