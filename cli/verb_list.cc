// pods, ps.
#include <algorithm>
#include <map>

#include "cli/verbs.h"

namespace slipway::cli {
namespace {

Cell state_of(const v1::ContainerStatus& status) {
  switch (status.state()) {
    case v1::CONTAINER_CREATED: return {"created", Colour::yellow};
    case v1::CONTAINER_RUNNING: return {"running", Colour::green};
    case v1::CONTAINER_EXITED:
      return {fmt::format("exited {}{}", status.exit_code(),
                          status.reason().empty() || status.reason() == "Completed" ? "" : " " + status.reason()),
              status.exit_code() == 0 ? Colour::grey : Colour::red};
    default: return {"unknown", Colour::red};
  }
}

template <class Item>
std::vector<const Item*> newest_first(const google::protobuf::RepeatedPtrField<Item>& items) {
  std::vector<const Item*> out;
  for (const auto& item : items) out.push_back(&item);
  std::sort(out.begin(), out.end(), [](const Item* a, const Item* b) { return a->created_at() > b->created_at(); });
  return out;
}

}  // namespace

Result<int> pods(Session& session, bool all) {
  TRY_ASSIGN(auto list, session.client.pods());
  if (!all) {
    auto* items = list.mutable_items();
    items->erase(std::remove_if(items->begin(), items->end(), [](const auto& pod) { return pod.state() != v1::SANDBOX_READY; }),
                 items->end());
  }
  if (session.style.json) {
    TRY(print(to_json(list)));
    return 0;
  }
  std::vector<std::vector<Cell>> rows;
  for (const auto* pod : newest_first(list.items())) {
    const bool ready = pod->state() == v1::SANDBOX_READY;
    std::string ip;
    if (const auto status = session.client.pod_status(pod->id()); status.ok()) ip = status.value().status().network().ip();
    rows.push_back({{short_id(pod->id()), Colour::grey},
                    {pod->metadata().name()},
                    {pod->metadata().namespace_()},
                    {ready ? "ready" : "not ready", ready ? Colour::green : Colour::red},
                    {ip.empty() ? "-" : ip},
                    {human_age(pod->created_at(), now_realtime())}});
  }
  TRY(print(format_table({"POD", "NAME", "NAMESPACE", "STATE", "ADDRESS", "CREATED"}, rows, session.style.colour)));
  return 0;
}

Result<int> ps(Session& session, bool all) {
  TRY_ASSIGN(auto list, session.client.containers());
  if (!all) {
    auto* items = list.mutable_containers();
    items->erase(std::remove_if(items->begin(), items->end(), [](const auto& c) { return c.state() != v1::CONTAINER_RUNNING; }),
                 items->end());
  }
  if (session.style.json) {
    TRY(print(to_json(list)));
    return 0;
  }
  TRY_ASSIGN(const auto pod_list, session.client.pods());
  std::map<std::string, std::string> pod_names;
  for (const auto& pod : pod_list.items()) pod_names[pod.id()] = pod.metadata().namespace_() + "/" + pod.metadata().name();
  std::vector<std::vector<Cell>> rows;
  for (const auto* container : newest_first(list.containers())) {
    const auto status = session.client.container_status(container->id());
    if (!status.ok() && status.error().code == Code::not_found) continue;  // removed since the list was made
    if (!status.ok()) return status.error();
    const auto& value = status.value().status();
    const auto since = value.state() == v1::CONTAINER_EXITED    ? value.finished_at()
                       : value.state() == v1::CONTAINER_RUNNING ? value.started_at()
                                                                : value.created_at();
    rows.push_back({{short_id(container->id()), Colour::grey},
                    {container->metadata().name()},
                    {pod_names[container->pod_sandbox_id()]},
                    {container->image().image().starts_with("sha256:") ? short_id(container->image().image()) : container->image().image()},
                    state_of(value),
                    {human_age(since, now_realtime())}});
  }
  TRY(print(format_table({"CONTAINER", "NAME", "POD", "IMAGE", "STATE", "SINCE"}, rows, session.style.colour)));
  return 0;
}

}  // namespace slipway::cli
