// Forks that report once.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <optional>

#include "monitor/task.h"
#include "sys/file.h"

using namespace slipway;
using namespace slipway::monitor;

namespace {

Outcome run_in_loop(const Task::Work& work, MonotonicNanos time = 60'000'000'000) {
  auto loop = Loop::open();
  REQUIRE(loop.ok());
  std::optional<Outcome> got;
  const MonotonicNanos deadline = now_monotonic() + time;
  auto task = Task::start(loop.value(), Origin{}, {}, deadline, work, [&got](Outcome outcome) { got = std::move(outcome); });
  REQUIRE(task.ok());
  while (!got) {
    const auto event = loop.value().step(got ? 0 : deadline);
    REQUIRE(event.ok());
    if (!event.value()) task.value()->expire();
  }
  return std::move(*got);
}

}  // namespace

TEST_CASE("a fork's answer and descriptors arrive", "[monitor]") {
  const Outcome outcome = run_in_loop([](Outcome& out) {
    out.reply.set_pid(4711);
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) return;
    (void)!::write(fds[1], "x", 1);
    ::close(fds[1]);
    out.fds.emplace_back(fds[0]);
  });
  CHECK(outcome.reply.pid() == 4711);
  REQUIRE(outcome.fds.size() == 1);
  CHECK(sys::read_fd(outcome.fds[0], 10).value() == "x");
}

TEST_CASE("a fork that has nothing to tell has done its work", "[monitor]") {
  CHECK(run_in_loop([](Outcome&) {}).reply.code() == 0);
}

TEST_CASE("a fork that dies without a word is an error", "[monitor]") {
  const Outcome outcome = run_in_loop([](Outcome&) { ::raise(SIGKILL); });
  CHECK(outcome.reply.code() == static_cast<std::uint32_t>(Code::internal));
  CHECK_THAT(outcome.reply.message(), Catch::Contains("137"));
}

TEST_CASE("a fork that hangs is ended at its deadline", "[monitor]") {
  const Outcome outcome = run_in_loop(
      [](Outcome&) {
        for (;;) ::pause();
      },
      20'000'000);
  CHECK(outcome.reply.code() == static_cast<std::uint32_t>(Code::deadline_exceeded));
}

TEST_CASE("a fork holds only what it was given, with default signals", "[monitor]") {
  int fds[2];
  REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
  const UniqueFd kept(fds[0]);
  const UniqueFd other(fds[1]);
  auto old = ::signal(SIGPIPE, SIG_IGN);
  const int keep[] = {kept.get()};
  const auto outcome = Task::run(Origin{}, keep, [&](Outcome& out) {
    struct sigaction pipe {};
    ::sigaction(SIGPIPE, nullptr, &pipe);
    const bool good = ::fcntl(kept.get(), F_GETFD) >= 0 && ::fcntl(other.get(), F_GETFD) < 0 && pipe.sa_handler == SIG_DFL;
    out.reply.set_pid(good ? 1 : 2);
  });
  ::signal(SIGPIPE, old);
  REQUIRE(outcome.ok());
  CHECK(outcome.value().reply.pid() == 1);
}

TEST_CASE("an error keeps its code and sentence across the fork", "[monitor]") {
  const auto outcome = Task::run(Origin{}, {}, [](Outcome& out) { set_error(out.reply, fail(Code::not_found, "no such thing")); });
  REQUIRE_FALSE(outcome.ok());
  CHECK(outcome.error().code == Code::not_found);
  CHECK(outcome.error().message == "no such thing");
}

TEST_CASE("a container is made with the OOM score from before the monitor", "[monitor]") {
  const std::string before = sys::read_file("/proc/self/oom_score_adj", 64).value();
  const std::string wanted = before == "777\n" ? "778\n" : "777\n";  // raising needs no privilege
  const auto outcome = Task::run(Origin{wanted}, {}, [&](Outcome& out) {
    const auto now = sys::read_file("/proc/self/oom_score_adj", 64);
    out.reply.set_pid(now.ok() && now.value() == wanted ? 1 : 2);
  });
  REQUIRE(outcome.ok());
  CHECK(outcome.value().reply.pid() == 1);
}
