// The waterfall's numbers and bars.
#include "telemetry/timeline.h"

#include <catch2/catch.hpp>

using namespace slipway::telemetry;

namespace {

constexpr std::int64_t kMs = 1'000'000;

std::vector<TimelineStage> sample() {
  return {{"exec", "web", 500 * kMs + 8 * kMs, 2 * kMs, 0},
          {"network", "", 104 * kMs, 6 * kMs, 0},
          {"namespaces", "", 100 * kMs, 4 * kMs, 0},
          {"rootfs", "web", 500 * kMs, 8 * kMs, 0},
          {"plugin bridge", "", 104 * kMs, 3 * kMs, 1}};
}

}  // namespace

TEST_CASE("stages are made relative to the first and ordered by group, start and depth", "[telemetry]") {
  auto stages = sample();
  normalise(stages);
  REQUIRE(stages.size() == 5);
  CHECK(stages[0].name == "namespaces");
  CHECK(stages[0].start == 0);
  CHECK(stages[1].name == "network");
  CHECK(stages[2].name == "plugin bridge");
  CHECK(stages[3].name == "rootfs");
  CHECK(stages[3].start == 400 * kMs);
  CHECK(stages[4].name == "exec");
}

TEST_CASE("no stages stay none", "[telemetry]") {
  std::vector<TimelineStage> none;
  normalise(none);
  CHECK(none.empty());
  CHECK(draw(none, "default/web", {}).find("STAGE") == 0);
}

TEST_CASE("a drawing has a line a stage, sums of groups, bars within the width", "[telemetry]") {
  auto stages = sample();
  normalise(stages);
  const std::string text = draw(stages, "default/web", {.width = 80, .unicode = false, .colour = false});
  CHECK(text.find("pod default/web: 10.000 ms\n") != std::string::npos);
  CHECK(text.find("container web: 10.000 ms, begun 400.000 ms after the pod\n") != std::string::npos);
  std::size_t lines = 0, start = 0;
  while (start < text.size()) {
    const auto end = text.find('\n', start);
    REQUIRE(end != std::string::npos);
    CHECK(end - start <= 80);
    start = end + 1;
    ++lines;
  }
  CHECK(lines == 1 + 2 + 5);
  const auto line = text.substr(text.find("    plugin bridge"), 80);
  CHECK(line.find("4.000") != std::string::npos);  // begins 4 ms after the group
  CHECK(line.find("3.000") != std::string::npos);
  CHECK(text.find('\033') == std::string::npos);
}

TEST_CASE("bars show where and how long", "[telemetry]") {
  std::vector<TimelineStage> stages{{"a", "", 0, 50 * kMs, 0}, {"b", "", 50 * kMs, 50 * kMs, 0}, {"c", "", 100 * kMs, 0, 0}};
  const std::string text = draw(stages, "p", {.width = 5 + 25 + 40, .unicode = false, .colour = false});
  const auto bar_of = [&](const std::string& name) {
    const auto at = text.find("\n  " + name + " ") + 1;
    return text.substr(at, text.find('\n', at) - at).substr(5 + 25);
  };
  CHECK(bar_of("a") == std::string(20, '#'));
  CHECK(bar_of("b") == std::string(20, ' ') + std::string(20, '#'));
  CHECK(bar_of("c") == std::string(39, ' ') + "#");  // too short to see, still there, still inside
}

TEST_CASE("colours only where wanted", "[telemetry]") {
  auto stages = sample();
  normalise(stages);
  CHECK(draw(stages, "p", {.width = 100, .unicode = true, .colour = true}).find("\033[36m") != std::string::npos);
  CHECK(draw(stages, "p", {.width = 100, .unicode = true, .colour = false}).find("█") != std::string::npos);
}
