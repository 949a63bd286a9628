// stop, rm: of pods and containers.
#include <filesystem>

#include "cli/targets.h"
#include "cli/verbs.h"

namespace slipway::cli {
namespace {

Result<Target> target_of(Session& session, const std::string& name) {
  TRY_ASSIGN(const auto pod_list, session.client.pods());
  TRY_ASSIGN(const auto container_list, session.client.containers());
  return find_target(targets_of(pod_list, container_list), name);
}

// A pod's containers get their grace one after the other; StopPodSandbox alone would give them none.
Result<void> stop_pod(Session& session, const std::string& id, std::chrono::seconds grace) {
  TRY_ASSIGN(const auto list, session.client.containers());
  for (const auto& container : list.containers())
    if (container.pod_sandbox_id() == id && container.state() == v1::CONTAINER_RUNNING)
      TRY(session.client.stop_container(container.id(), grace));
  return session.client.stop_pod(id);
}

Result<void> remove_pod(Session& session, const Target& pod, bool force) {
  if (pod.live && !force) return fail(Code::failed_precondition, "pod '{}' is ready: stop it first, or use --force", pod.name);
  TRY_ASSIGN(const auto status, session.client.pod_status(pod.id));
  TRY(session.client.stop_pod(pod.id));
  TRY(session.client.remove_pod(pod.id));
  const auto& labels = status.status().labels();
  const auto made_by = labels.find(kMadeByLabel);
  if (made_by == labels.end() || made_by->second != "slipctl") return {};
  return remove_logs(status.status().metadata());
}

}  // namespace

Result<void> remove_logs(const v1::PodSandboxMetadata& metadata) {
  const std::string name = fmt::format("{}_{}_{}", metadata.namespace_(), metadata.name(), metadata.uid());
  if (name.find('/') != std::string::npos) return fail(Code::invalid_argument, "the log directory of '{}' cannot have that name", name);
  std::error_code error;
  std::filesystem::remove_all("/var/log/pods/" + name, error);  // links in it are removed, not followed
  if (error) return fail_errno(error.value(), "remove /var/log/pods/{}", name);
  return {};
}

Result<int> for_each_name(Session& session, const std::vector<std::string>& names,
                          const std::function<Result<void>(const std::string&)>& each) {
  int code = 0;
  std::string json;
  for (const auto& name : names) {
    const auto result = each(name);
    if (!result.ok()) {
      code = 1;
      report(result.error());
    } else if (session.style.json) {
      json += (json.empty() ? "" : ", ") + to_json({{"name", name}});
    } else {
      TRY(print(printable(name) + "\n"));
    }
  }
  if (session.style.json) TRY(print("[" + json + "]\n"));
  return code;
}

Result<int> stop(Session& session, const std::vector<std::string>& names, long grace) {
  return for_each_name(session, names, [&](const std::string& name) -> Result<void> {
    TRY_ASSIGN(const Target target, target_of(session, name));
    if (target.kind == Kind::pod) return stop_pod(session, target.id, std::chrono::seconds(grace));
    return session.client.stop_container(target.id, std::chrono::seconds(grace));
  });
}

Result<int> rm(Session& session, const std::vector<std::string>& names, bool force) {
  return for_each_name(session, names, [&](const std::string& name) -> Result<void> {
    TRY_ASSIGN(const Target target, target_of(session, name));
    if (target.kind == Kind::pod) return remove_pod(session, target, force);
    if (target.live && !force)
      return fail(Code::failed_precondition, "container '{}' is running: stop it first, or use --force", target.name);
    return session.client.remove_container(target.id);
  });
}

}  // namespace slipway::cli
