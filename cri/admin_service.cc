// The admin service's handlers.
#include "cri/admin_service.h"

#include "cri/image_service.h"
#include "cri/inspect.h"
#include "cri/progress_stream.h"
#include "telemetry/timeline.h"

namespace slipway::cri {
namespace {

using Images = Result<std::vector<engine::ImageRecord>>;

// Starts `work` on a worker and streams what it reports.
grpc::ServerWriteReactor<admin::Progress>* stream_progress(Workers& workers,
                                                           std::function<Images(const engine::OnProgress&, const std::stop_token&)> work) {
  auto* stream = new ProgressStream();
  const auto posted = workers.post(Lane::wait, [stream, gone = stream->gone(), work = std::move(work)] {
    stream->finish(work([stream](const engine::Progress& progress) { stream->report(progress); }, gone));
  });
  if (!posted.ok()) stream->finish(Images(posted.error()));
  return stream;
}

void add_stages(const std::vector<engine::Stage>& from, const std::string& container, std::vector<telemetry::TimelineStage>& to) {
  for (const auto& stage : from) to.push_back({stage.name, container, stage.start, stage.duration, stage.depth});
}

// Either an exact name or id, or the beginning of an id.
using Called = bool (*)(const std::string& id, const std::string& name, const std::string& asked);
constexpr Called kWays[] = {
    [](const std::string& id, const std::string& name, const std::string& asked) { return name == asked || id == asked; },
    [](const std::string& id, const std::string&, const std::string& asked) { return id.compare(0, asked.size(), asked) == 0; },
};

struct Matches {
  Match match;
  std::string text;
  std::size_t count = 0;

  void note(std::string_view kind, const std::string& id, const std::string& name) {
    if (++count <= 10) text += fmt::format("{}{} {} ('{}')", text.empty() ? "" : ", ", kind, id.substr(0, 13), name);
  }
};

Matches matches_of(const engine::Snapshot& snapshot, const std::string& asked, Called called) {
  Matches out;
  for (const auto& [id, pod] : snapshot.pods) {
    if (!called(id, pod->spec.metadata.name, asked)) continue;
    out.match.pod = &*pod;
    out.note("pod", id, pod->spec.metadata.name);
  }
  for (const auto& [id, container] : snapshot.containers) {
    if (!called(id, container->spec.metadata.name, asked)) continue;
    // A pod and its container of one name is the usual case of slipctl run: the pod is meant.
    if (out.match.pod != nullptr && container->pod_id == out.match.pod->id) continue;
    out.match.container = &*container;
    out.note("container", id, container->spec.metadata.name);
  }
  return out;
}

}  // namespace

Result<Match> find_by_id_or_name(const engine::Snapshot& snapshot, const std::string& id) {
  if (id.empty()) return fail(Code::invalid_argument, "id: empty");
  for (const Called called : kWays) {
    const Matches found = matches_of(snapshot, id, called);
    if (found.count == 1) return found.match;
    if (found.count > 1)
      return fail(Code::invalid_argument, "'{}' is not the only one: {}{}", id, found.text, found.count > 10 ? ", …" : "");
  }
  return fail(Code::not_found, "there is no pod or container '{}'", id);
}

grpc::ServerWriteReactor<admin::Progress>* AdminService::Pull(grpc::CallbackServerContext*, const admin::PullRequest* request) {
  return stream_progress(backend_.workers, [this, request](const engine::OnProgress& progress, const std::stop_token& gone) -> Images {
    if (request->image().empty()) return fail(Code::invalid_argument, "image: empty");
    engine::RegistryAuth auth;
    auth.username = request->username();
    auth.password = request->password();
    auto image = backend_.images.pull(request->image(), auth, progress, gone);
    if (!image.ok()) return as_pull_error(std::move(image).error());
    return std::vector{std::move(image).take()};
  });
}

grpc::ServerWriteReactor<admin::Progress>* AdminService::Load(grpc::CallbackServerContext*, const admin::LoadRequest* request) {
  return stream_progress(backend_.workers, [this, request](const engine::OnProgress& progress, const std::stop_token& gone) -> Images {
    if (request->path().empty() || request->path()[0] != '/')
      return fail(Code::invalid_argument, "path: '{}' is not absolute", request->path());
    return backend_.images.load(request->path(), request->name(), progress, gone);
  });
}

grpc::ServerUnaryReactor* AdminService::Timeline(grpc::CallbackServerContext* context, const admin::TimelineRequest* request,
                                                 admin::TimelineReply* reply) {
  return answer(backend_.workers, Lane::read, context, [this, request, reply] { return timeline(request->id(), reply); });
}

Result<void> AdminService::timeline(const std::string& id, admin::TimelineReply* reply) const {
  const auto snapshot = backend_.engine.snapshot();
  TRY_ASSIGN(const Match match, find_by_id_or_name(*snapshot, id));
  const std::string pod_id = match.pod != nullptr ? match.pod->id : match.container->pod_id;
  std::vector<telemetry::TimelineStage> stages;
  if (match.pod != nullptr) add_stages(match.pod->stages, "", stages);
  for (const auto& [full, container] : snapshot->containers)
    if (match.container != nullptr ? &*container == match.container : container->pod_id == pod_id)
      add_stages(container->stages, container->spec.metadata.name, stages);
  telemetry::normalise(stages);
  reply->set_pod_id(pod_id);
  if (const auto pod = snapshot->pods.find(pod_id); pod != snapshot->pods.end()) {
    const auto& metadata = pod->second->spec.metadata;
    reply->set_pod_name(metadata.namespace_ + "/" + metadata.name);
  }
  for (const auto& stage : stages) {
    auto* out = reply->add_stages();
    out->set_name(stage.name);
    out->set_container(stage.container);
    out->set_start(stage.start);
    out->set_duration(stage.duration);
    out->set_depth(stage.depth);
  }
  return {};
}

grpc::ServerUnaryReactor* AdminService::Inspect(grpc::CallbackServerContext* context, const admin::InspectRequest* request,
                                                admin::InspectReply* reply) {
  return answer(backend_.workers, Lane::read, context, [this, request, reply] { return inspect(request->id(), reply); });
}

Result<void> AdminService::inspect(const std::string& id, admin::InspectReply* reply) const {
  const auto snapshot = backend_.engine.snapshot();
  const auto match = find_by_id_or_name(*snapshot, id);
  if (match.ok()) {
    reply->set_kind(match.value().pod != nullptr ? "pod" : "container");
    reply->set_json(match.value().pod != nullptr ? to_json(*match.value().pod) : to_json(*match.value().container, Secrets::show));
    return {};
  }
  if (match.error().code != Code::not_found) return match.error();
  const auto image = backend_.images.find(id);
  if (!image.ok() && image.error().code == Code::not_found) return fail(Code::not_found, "there is no pod, container or image '{}'", id);
  if (!image.ok()) return image.error();
  reply->set_kind("image");
  reply->set_json(to_json(image.value()));
  return {};
}

}  // namespace slipway::cri
