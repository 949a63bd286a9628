// version, info, inspect, timeline.
#include <nlohmann/json.hpp>

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

namespace {

struct Counted {
  v1::VersionResponse version;
  v1::StatusResponse status;
  int pods = 0, containers = 0, images = 0;
};

Result<Counted> count(Session& session) {
  Counted out;
  TRY_ASSIGN(out.status, session.client.status());
  TRY_ASSIGN(out.version, session.client.version());
  TRY_ASSIGN(const auto pod_list, session.client.pods());
  TRY_ASSIGN(const auto container_list, session.client.containers());
  TRY_ASSIGN(const auto image_list, session.client.images());
  out.pods = pod_list.items_size();
  out.containers = container_list.containers_size();
  out.images = image_list.images_size();
  return out;
}

// Status' own fields, and beside them what a person sees in the table.
Result<std::string> info_json(const Counted& counted) {
  nlohmann::json out = nlohmann::json::parse(to_json(counted.status), nullptr, false);
  if (!out.is_object()) return fail(Code::internal, "the status of the runtime is no JSON object");
  out["version"] = {{"slipctl", SLIPWAY_VERSION},
                    {"runtime_name", counted.version.runtime_name()},
                    {"runtime_version", counted.version.runtime_version()},
                    {"runtime_api_version", counted.version.runtime_api_version()}};
  out["pods"] = counted.pods;
  out["containers"] = counted.containers;
  out["images"] = counted.images;
  return to_text(out);
}

using Rows = std::vector<std::vector<Cell>>;

// A value of the verbose status: an object is a row for each of its members.
void add_value(const std::string& name, const nlohmann::json& value, Rows& rows) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) add_value(name + "." + key, inner, rows);
    return;
  }
  std::string text;
  if (value.is_string()) text = value.get<std::string>();
  if (value.is_array())
    for (const auto& item : value) text += (text.empty() ? "" : ", ") + (item.is_string() ? item.get<std::string>() : item.dump());
  if (!value.is_string() && !value.is_array()) text = value.dump();
  rows.push_back({{name}, {text.empty() ? "-" : text, text.empty() ? Colour::grey : Colour::none}});
}

Rows info_rows(const Counted& counted) {
  Rows rows{{{"version"}, {counted.version.runtime_version()}}};
  for (const auto& condition : counted.status.status().conditions()) {
    std::string text = condition.status() ? "yes" : "no";
    if (!condition.status()) text += fmt::format(" ({}: {})", condition.reason(), condition.message());
    rows.push_back({{condition.type()}, {text, condition.status() ? Colour::green : Colour::red}});
  }
  rows.push_back({{"pods"}, {std::to_string(counted.pods)}});
  rows.push_back({{"containers"}, {std::to_string(counted.containers)}});
  rows.push_back({{"images"}, {std::to_string(counted.images)}});
  for (const auto& [key, text] : counted.status.info()) {
    const auto value = nlohmann::json::parse(text, nullptr, false);
    add_value(key, value.is_discarded() ? nlohmann::json(text) : value, rows);
  }
  return rows;
}

}  // namespace

Result<int> info(Session& session) {
  TRY_ASSIGN(const Counted counted, count(session));
  if (session.style.json) {
    TRY_ASSIGN(const std::string text, info_json(counted));
    TRY(print(text));
    return 0;
  }
  TRY(print(format_table({"WHAT", "VALUE"}, info_rows(counted), session.style.colour)));
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
