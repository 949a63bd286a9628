// stats: what running containers use.
#include <map>

#include "cli/verbs.h"

namespace slipway::cli {
namespace {

// Of one core, since the container's start: CRI leaves the momentary rate to who samples twice.
std::string human_cpu(std::uint64_t nanoseconds) {
  return fmt::format("{:.2f} s", static_cast<double>(nanoseconds) / 1e9);
}

std::string human_memory(bool known, std::uint64_t bytes) {
  return known ? human_size(bytes) : "-";
}

}  // namespace

Result<int> stats(Session& session, const std::string& name) {
  TRY_ASSIGN(const auto list, session.client.container_stats());
  v1::ListContainerStatsResponse chosen;
  for (const auto& item : list.stats()) {
    const bool wanted = name.empty() || item.attributes().metadata().name() == name || item.attributes().id().starts_with(name);
    if (wanted) *chosen.add_stats() = item;
  }
  if (!name.empty() && chosen.stats().empty()) return fail(Code::not_found, "no running container is named '{}'", name);
  if (session.style.json) {
    TRY(print(to_json(chosen)));
    return 0;
  }
  std::vector<std::vector<Cell>> rows;
  for (const auto& item : chosen.stats()) {
    rows.push_back({{short_id(item.attributes().id()), Colour::grey},
                    {item.attributes().metadata().name()},
                    {human_cpu(item.cpu().usage_core_nano_seconds().value())},
                    {human_memory(item.memory().has_working_set_bytes(), item.memory().working_set_bytes().value())},
                    {human_memory(item.memory().has_usage_bytes(), item.memory().usage_bytes().value())},
                    {human_size(item.writable_layer().used_bytes().value())}});
  }
  TRY(print(format_table({"CONTAINER", "NAME", "CPU TIME", "WORKING SET", "MEMORY", "WRITTEN"}, rows, session.style.colour)));
  return 0;
}

}  // namespace slipway::cli
