// Events: to everyone who listens, kept for who comes next, and never lost in silence.
#include "engine/pod_events.h"

#include <catch2/catch.hpp>
#include <thread>

using namespace slipway;
using namespace slipway::engine;

namespace {

constexpr UnixNanos kSecond = 1'000'000'000;

PodEvent event(const std::string& id, UnixNanos at = kSecond) {
  return {PodEventType::started, id, "pod", at};
}

// The ids that can be read now.
std::vector<std::string> take_all(PodEvents::Subscription& from) {
  std::vector<std::string> out;
  for (;;) {
    const auto front = from.front();
    if (!front.ok() || !front.value()) return out;
    out.push_back(front.value()->id);
    from.pop();
  }
}

}  // namespace

TEST_CASE("events with nobody there go to the next subscriber, and to no other", "[engine]") {
  PodEvents events;
  events.publish(event("a"));
  events.publish(event("b"));
  const auto first = events.subscribe(2 * kSecond);
  const auto second = events.subscribe(2 * kSecond);
  CHECK(take_all(*first) == std::vector<std::string>{"a", "b"});
  CHECK(take_all(*second).empty());
  events.publish(event("c"));
  CHECK(take_all(*first) == std::vector<std::string>{"c"});
  CHECK(take_all(*second) == std::vector<std::string>{"c"});
}

TEST_CASE("events with nobody there are kept for five minutes and no longer", "[engine]") {
  PodEvents events;
  events.publish(event("old", 10 * kSecond));
  events.publish(event("new", 200 * kSecond));
  const auto late = events.subscribe(311 * kSecond);
  CHECK(take_all(*late) == std::vector<std::string>{"new"});
}

TEST_CASE("what a subscriber did not take goes to the next one", "[engine]") {
  PodEvents events;
  auto broken = events.subscribe(kSecond);
  events.publish(event("a"));
  events.publish(event("b"));
  REQUIRE(broken->front().value()->id == "a");
  broken->pop();
  broken.reset();  // its connection ended while b was on its way
  const auto next = events.subscribe(kSecond);
  CHECK(take_all(*next) == std::vector<std::string>{"b"});
}

TEST_CASE("what a subscriber did not take goes to one that came before it left, once", "[engine]") {
  PodEvents events;
  auto broken = events.subscribe(kSecond);
  events.publish(event("a"));
  const auto next = events.subscribe(kSecond);
  events.publish(event("b"));
  broken.reset();
  CHECK(take_all(*next) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a subscriber that is too slow is told, the others are not held up", "[engine]") {
  PodEvents events({.queue = 2});
  const auto slow = events.subscribe(kSecond);
  const auto quick = events.subscribe(kSecond);
  for (const char* id : {"a", "b", "c"}) {
    events.publish(event(id));
    CHECK(take_all(*quick) == std::vector<std::string>{id});
  }
  const auto front = slow->front();
  REQUIRE_FALSE(front.ok());
  CHECK(front.error().code == Code::resource_exhausted);
  CHECK_THAT(front.error().message, Catch::Contains("list pods and containers again"));
}

TEST_CASE("events that nobody comes for are bounded: the newest stay", "[engine]") {
  PodEvents events({.queue = 2});
  for (const char* id : {"a", "b", "c"}) events.publish(event(id));
  const auto next = events.subscribe(kSecond);
  CHECK(take_all(*next) == std::vector<std::string>{"b", "c"});
}

TEST_CASE("a removed pod's last record is there as long as its events", "[engine]") {
  PodEvents events;
  PodRecord pod;
  pod.id = "pod";
  pod.state = PodState::ready;
  pod.spec.metadata.name = "web";
  events.remember(pod, 10 * kSecond);
  REQUIRE(events.gone("pod"));
  CHECK(events.gone("pod")->spec.metadata.name == "web");
  CHECK(events.gone("pod")->state == PodState::not_ready);
  events.publish(event("x", 311 * kSecond));
  CHECK_FALSE(events.gone("pod"));
}

TEST_CASE("the end of the source is told after what is left", "[engine]") {
  PodEvents events;
  const auto subscriber = events.subscribe(kSecond);
  events.publish(event("a"));
  events.close();
  CHECK(take_all(*subscriber) == std::vector<std::string>{"a"});
  CHECK(subscriber->front().error().code == Code::unavailable);
}

TEST_CASE("waiting ends with an event, a cancel or the end", "[engine]") {
  PodEvents events;
  const auto subscriber = events.subscribe(kSecond);
  std::thread source([&] { events.publish(event("a")); });
  subscriber->wait();
  CHECK(take_all(*subscriber) == std::vector<std::string>{"a"});
  source.join();
  std::thread client([&] { subscriber->cancel(); });
  subscriber->wait();
  CHECK(subscriber->front().error().code == Code::cancelled);
  client.join();
}
