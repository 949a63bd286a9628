// The pools: bounded, separate, on demand.
#include "cri/workers.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>

using namespace slipway;
using namespace slipway::cri;

TEST_CASE("a full queue says so, and other lanes are not held up", "[cri]") {
  Workers workers({.reads = 1, .operations = 1, .waits = 1, .queue = 2});
  std::promise<void> gate, begun;
  const auto opened = gate.get_future().share();
  REQUIRE(workers
              .post(Lane::wait,
                    [&begun, opened] {
                      begun.set_value();
                      opened.wait();
                    })
              .ok());
  begun.get_future().wait();
  std::atomic<int> ran = 0;
  REQUIRE(workers.post(Lane::wait, [&] { ++ran; }).ok());
  REQUIRE(workers.post(Lane::wait, [&] { ++ran; }).ok());
  const auto full = workers.post(Lane::wait, [&] { ++ran; });
  REQUIRE_FALSE(full.ok());
  CHECK(full.error().code == Code::resource_exhausted);
  CHECK(full.error().message == "2 requests wait for one of 1 wait workers already");

  std::promise<void> read;
  REQUIRE(workers.post(Lane::read, [&] { read.set_value(); }).ok());
  read.get_future().wait();  // would hang if a waiting job held the reads up
  CHECK(ran == 0);
  gate.set_value();
  workers.stop();
  CHECK(ran == 2);
}

TEST_CASE("no more threads than the limit; idle ones leave", "[cri]") {
  Workers workers({.reads = 3, .operations = 1, .waits = 1, .queue = 100, .idle = std::chrono::milliseconds(1)});
  std::atomic<int> now = 0, most = 0, done = 0;
  std::promise<void> all;
  for (int i = 0; i < 60; ++i)
    REQUIRE(workers
                .post(Lane::read,
                      [&] {
                        const int n = ++now;
                        for (int seen = most; n > seen && !most.compare_exchange_weak(seen, n);) {
                        }
                        std::this_thread::yield();
                        --now;
                        if (++done == 60) all.set_value();
                      })
                .ok());
  all.get_future().wait();
  CHECK(most <= 3);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (workers.threads() != 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  CHECK(workers.threads() == 0);
  std::promise<void> again;
  REQUIRE(workers.post(Lane::read, [&] { again.set_value(); }).ok());
  again.get_future().wait();
}

TEST_CASE("after stop nothing is taken", "[cri]") {
  Workers workers({});
  workers.stop();
  const auto late = workers.post(Lane::read, [] {});
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().code == Code::unavailable);
}
