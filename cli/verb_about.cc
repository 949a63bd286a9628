// version, info, inspect, timeline.
#include "cli/verbs.h"
#include "telemetry/timeline.h"

namespace slipway::cli {

Result<int> version(Session& session) {
  const auto server = session.client.version();
  if (!server.ok()) {
    // The client's own version is told even when nobody answers.
    if (!session.style.json) TRY(print(fmt::format("slipctl   {}\n", SLIPWAY_VERSION)));
    return server.error();
  }
  const auto& value = server.value();
  if (session.style.json) {
    TRY(print(to_json({{"client_version", SLIPWAY_VERSION},
                       {"runtime_name", value.runtime_name()},
                       {"runtime_version", value.runtime_version()},
                       {"runtime_api_version", value.runtime_api_version()}}) +
              "\n"));
  } else {
    TRY(print(fmt::format("slipctl   {}\n{}  {}\nCRI       {}\n", SLIPWAY_VERSION,
                          value.runtime_name() == "slipway" ? "slipwayd" : printable(value.runtime_name()),
                          printable(value.runtime_version()), printable(value.runtime_api_version()))));
  }
  return 0;
}

Result<int> info(Session& session) {
  TRY_ASSIGN(const auto status, session.client.status());
  if (session.style.json) {
    TRY(print(to_json(status)));
    return 0;
  }
  TRY_ASSIGN(const auto server, session.client.version());
  TRY_ASSIGN(const auto pod_list, session.client.pods());
  TRY_ASSIGN(const auto container_list, session.client.containers());
  TRY_ASSIGN(const auto image_list, session.client.images());
  std::vector<std::vector<Cell>> rows{{{"version"}, {server.runtime_version()}}};
  for (const auto& condition : status.status().conditions()) {
    std::string text = condition.status() ? "yes" : "no";
    if (!condition.status()) text += fmt::format(" ({}: {})", condition.reason(), condition.message());
    rows.push_back({{condition.type()}, {text, condition.status() ? Colour::green : Colour::red}});
  }
  rows.push_back({{"pods"}, {std::to_string(pod_list.items_size())}});
  rows.push_back({{"containers"}, {std::to_string(container_list.containers_size())}});
  rows.push_back({{"images"}, {std::to_string(image_list.images_size())}});
  for (const auto& [key, value] : status.info()) rows.push_back({{key}, {value}});
  TRY(print(format_table({"WHAT", "VALUE"}, rows, session.style.colour)));
  return 0;
}

// Always JSON; several become one array, so that the output stays one value.
Result<int> inspect(Session& session, const std::vector<std::string>& names) {
  std::string all;
  for (const auto& name : names) {
    TRY_ASSIGN(const auto reply, session.client.inspect(name));
    all += (all.empty() ? "" : ",\n") + reply.json();
  }
  TRY(print(names.size() == 1 ? all + "\n" : "[" + all + "]\n"));
  return 0;
}

Result<int> timeline(Session& session, const std::string& name) {
  TRY_ASSIGN(const auto reply, session.client.timeline(name));
  if (session.style.json) {
    TRY(print(to_json(reply)));
    return 0;
  }
  if (reply.stages().empty()) return fail(Code::not_found, "no stages are recorded of '{}'", name);
  std::vector<telemetry::TimelineStage> stages;
  for (const auto& stage : reply.stages())
    stages.push_back({printable(stage.name()), printable(stage.container()), stage.start(), stage.duration(), stage.depth()});
  TRY(print(telemetry::draw(stages, printable(reply.pod_name()), {session.style.width, session.style.unicode, session.style.colour})));
  return 0;
}

}  // namespace slipway::cli
