// Where the time of a start went: measured stages, made relative to each other and drawn as a waterfall.
//
// Plain values, no clock is read here. Stages of a pod and of each of its containers are groups of their own: between them
// lies the client's time, not slipway's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace slipway::telemetry {

struct TimelineStage {
  std::string name;
  std::string container;      // empty: the pod's own
  std::int64_t start = 0;     // nanoseconds after the first stage's start
  std::int64_t duration = 0;  // nanoseconds
  std::uint32_t depth = 0;    // 0: a part of the whole; n: a part of the stage above with depth n - 1
};

// Shifts starts so that the earliest is 0, and orders: the pod first, then containers by their beginning; within, by start.
// Stages that begin together keep the outer one first.
void normalise(std::vector<TimelineStage>& stages);

struct Drawing {
  unsigned width = 80;  // columns of the terminal
  bool unicode = true;  // else '#'
  bool colour = false;  // ANSI colours
};

// One line a stage: name, start within its group, duration (both ms), bar. A line of headings, a line with each group's sum.
std::string draw(const std::vector<TimelineStage>& normalised, const std::string& pod_name, const Drawing& drawing);

}  // namespace slipway::telemetry
