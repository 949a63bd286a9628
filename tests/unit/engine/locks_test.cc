// Who may work on what: locks by key, joined requests, stops that are shortened, chores that are repeated.
#include <catch2/catch.hpp>

#include <atomic>
#include <future>
#include <thread>

#include "engine/chores.h"
#include "engine/locks.h"
#include "engine/stops.h"
#include "tests/unit/engine/fakes.h"

using namespace slipway;
using namespace slipway::engine;
using namespace std::chrono_literals;

TEST_CASE("a key is held by one, other keys are free, and nothing is left", "[engine]") {
  KeyedLock locks;
  {
    const auto a = locks.lock("a", 1s);
    REQUIRE(a.ok());
    CHECK(locks.lock("b", 1s).ok());
    const auto again = locks.lock("a", 20ms);
    REQUIRE_FALSE(again.ok());
    CHECK(again.error().code == Code::deadline_exceeded);
    CHECK_THAT(again.error().message, Catch::Contains("'a'"));
  }
  CHECK(locks.lock("a", 1s).ok());
  CHECK(locks.size() == 0);
}

TEST_CASE("a waiting operation goes on when the one before ends", "[engine]") {
  KeyedLock locks;
  std::atomic<int> inside{0}, worst{0};
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        const auto guard = locks.lock("x", 10s);
        if (!guard.ok()) std::abort();
        worst = std::max(worst.load(), ++inside);
        --inside;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(worst == 1);
  CHECK(locks.size() == 0);
}

TEST_CASE("a repeated request gets the first one's result", "[engine]") {
  InFlight<std::string> flights;
  std::promise<void> entered, go;
  std::atomic<int> runs{0};
  const auto run = [&](const std::shared_ptr<StageNote>&) -> Result<std::string> {
    if (++runs == 1) {
      entered.set_value();
      go.get_future().wait();
    }
    return std::string("id-1");
  };
  auto first = std::async(std::launch::async, [&] { return flights.join("k", "Work", 10s, run).value(); });
  entered.get_future().wait();
  auto second = std::async(std::launch::async, [&] { return flights.join("k", "Work", 10s, run).value(); });
  CHECK(flights.join("other", "Work", 10s, [](const auto&) { return Result<std::string>(std::string("x")); }).value() == "x");
  go.set_value();
  CHECK(first.get() == "id-1");
  CHECK(second.get() == "id-1");
  CHECK(runs >= 1);
  const auto failed = flights.join("k", "Work", 10s, [](const auto&) { return Result<std::string>(fail(Code::internal, "no")); });
  CHECK_FALSE(failed.ok());  // a result is not kept beyond its flight
}

TEST_CASE("a second stop shortens the first one's grace and does not act itself", "[engine]") {
  Stops stops;
  std::atomic<int> acts{0};
  std::promise<void> entered;
  std::promise<void> woken;
  const auto start = Stops::Clock::now();
  auto first = std::async(std::launch::async, [&] {
    const auto act = [&](const Stops::Deadline& deadline) -> Result<void> {
      ++acts;
      entered.set_value();
      woken.get_future().wait();
      if (deadline.get() >= start + 1h) return fail(Code::internal, "the grace was not shortened");
      return {};
    };
    return stops.join("c", start + 10h, act, [] {}).ok();
  });
  entered.get_future().wait();
  const auto never = [&](const Stops::Deadline&) -> Result<void> {
    ++acts;
    return {};
  };
  CHECK(stops.join("c", start + 1s, never, [&] { woken.set_value(); }).ok());
  CHECK(first.get());
  CHECK(acts <= 2);  // 2: the first had ended just before the second looked
}

TEST_CASE("who waits too long is told what the other one is doing", "[engine]") {
  KeyedLock locks;
  const auto note = std::make_shared<StageNote>("CreateContainer");
  const auto held = locks.lock("pod", 1s, note);
  REQUIRE(held.ok());
  CHECK_THAT(locks.lock("pod", 1ms).error().message, Catch::Contains("CreateContainer is at work since 0 s"));
  note->set("mounts");
  const auto late = locks.lock("pod", 1ms);
  CHECK(late.error().code == Code::deadline_exceeded);
  CHECK_THAT(late.error().message, Catch::Contains("CreateContainer is in its stage 'mounts' since 0 s"));

  InFlight<int> flights;
  std::promise<void> begun, go;
  auto first = std::async(std::launch::async, [&] {
    return flights.join("web", "RunPodSandbox", 10s, [&](const auto& mine) -> Result<int> {
      mine->set("network");
      begun.set_value();
      go.get_future().wait();
      return 7;
    });
  });
  begun.get_future().wait();
  const auto second = flights.join("web", "RunPodSandbox", 1ms, [](const auto&) -> Result<int> { return 0; });
  CHECK(second.error().code == Code::deadline_exceeded);
  CHECK_THAT(second.error().message, Catch::Contains("RunPodSandbox is in its stage 'network'"));
  go.set_value();
  CHECK(first.get().value() == 7);
}

TEST_CASE("a chore is repeated until it succeeds", "[engine]") {
  Chores chores;
  chores.first_pause = 1ms;
  std::atomic<int> tries{0};
  chores.add("fail twice", [&]() -> Result<void> {
    if (++tries < 3) return fail(Code::internal, "not yet");
    return {};
  });
  CHECK(test::eventually([&] { return tries == 3; }));
  std::atomic<int> other{0};
  chores.add("never again", [&]() -> Result<void> {
    ++other;
    return fail(Code::internal, "no");
  });
  CHECK(test::eventually([&] { return other > 0; }));
  chores.cancel("never again");
  chores.stop();
  CHECK(tries == 3);
}
