// The waterfall of a start, in characters.
#include "telemetry/timeline.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/format.h"

namespace slipway::telemetry {
namespace {

constexpr const char* kReset = "\033[0m";
constexpr const char* kBold = "\033[1m";
constexpr const char* kColours[] = {"\033[36m", "\033[34m", "\033[35m", "\033[90m"};  // by depth
constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

double ms(std::int64_t nanos) {
  return static_cast<double>(nanos) / 1e6;
}

std::size_t columns(const std::string& text) {  // of UTF-8 without wide characters
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string padded(std::string text, std::size_t width) {
  const std::size_t used = columns(text);
  if (used < width) text.append(width - used, ' ');
  return text;
}

struct Group {
  std::string name;
  std::int64_t start = 0, end = 0;
  std::vector<const TimelineStage*> stages;
};

std::vector<Group> groups_of(const std::vector<TimelineStage>& stages) {
  std::vector<Group> out;
  for (const auto& stage : stages) {
    if (out.empty() || out.back().name != stage.container) out.push_back({stage.container, stage.start, stage.start, {}});
    Group& group = out.back();
    group.start = std::min(group.start, stage.start);
    group.end = std::max(group.end, stage.start + stage.duration);
    group.stages.push_back(&stage);
  }
  return out;
}

// `cells` columns stand for the group's span; a stage too short to see still gets its sliver.
std::string bar(const Group& group, const TimelineStage& stage, unsigned cells, bool unicode) {
  const double span = std::max<double>(1, static_cast<double>(group.end - group.start));
  const auto eighths = [&](std::int64_t nanos) {
    return static_cast<unsigned>(std::lround(static_cast<double>(std::max<std::int64_t>(nanos, 0)) / span * cells * 8));
  };
  unsigned from = eighths(stage.start - group.start) / 8;
  unsigned length =
      eighths(stage.start + stage.duration - group.start) - std::min(from * 8, eighths(stage.start + stage.duration - group.start));
  from = std::min(from, cells - 1);
  length = std::clamp(length, 1U, (cells - from) * 8);
  std::string out(from, ' ');
  for (unsigned i = 0; i < length / 8; ++i) out += unicode ? "█" : "#";
  if (length % 8 != 0) out += unicode ? kEighths[length % 8] : (length < 8 ? "#" : "");
  return out;
}

}  // namespace

void normalise(std::vector<TimelineStage>& stages) {
  if (stages.empty()) return;
  std::map<std::string, std::int64_t> begins;
  std::int64_t first = stages[0].start;
  for (const auto& stage : stages) {
    first = std::min(first, stage.start);
    const auto [at, fresh] = begins.emplace(stage.container, stage.start);
    if (!fresh) at->second = std::min(at->second, stage.start);
  }
  const auto key = [&](const TimelineStage& stage) {
    return std::tuple(!stage.container.empty(), begins[stage.container], stage.container, stage.start, stage.depth);
  };
  std::stable_sort(stages.begin(), stages.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
  for (auto& stage : stages) stage.start -= first;
}

std::string draw(const std::vector<TimelineStage>& normalised, const std::string& pod_name, const Drawing& drawing) {
  constexpr unsigned kNumbers = 25;  // "  start ms  duration ms  "
  constexpr unsigned kSmallestBar = 10;
  std::size_t names = 5;
  for (const auto& stage : normalised) names = std::max(names, columns(stage.name) + 2 * (stage.depth + 1));
  const auto taken = static_cast<unsigned>(names) + kNumbers;
  const unsigned cells = drawing.width > taken + kSmallestBar ? drawing.width - taken : kSmallestBar;
  const auto paint = [&](const char* colour, const std::string& text) { return drawing.colour ? colour + text + kReset : text; };

  std::string out = paint(kBold, fmt::format("{} {:>10} {:>11}", padded("STAGE", names), "START ms", "TIME ms")) + "\n";
  for (const auto& group : groups_of(normalised)) {
    const std::string title = group.name.empty() ? "pod " + pod_name : "container " + group.name;
    const std::string when = group.start == 0 ? "" : fmt::format(", begun {:.3f} ms after the pod", ms(group.start));
    out += paint(kBold, fmt::format("{}: {:.3f} ms{}", title, ms(group.end - group.start), when)) + "\n";
    for (const auto* stage : group.stages) {
      const char* colour = kColours[std::min<std::size_t>(stage->depth, std::size(kColours) - 1)];
      out += fmt::format("{} {:>10.3f} {:>11.3f}  {}\n", padded(std::string(2 * (stage->depth + 1), ' ') + stage->name, names),
                         ms(stage->start - group.start), ms(stage->duration), paint(colour, bar(group, *stage, cells, drawing.unicode)));
    }
  }
  return out;
}

}  // namespace slipway::telemetry
