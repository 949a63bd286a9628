// What slipctl asks beyond CRI: pull and load with progress, the timeline of a start, records as JSON.
//
// Owner: cri::Server. Handlers only post.
#pragma once

#include "cri/answer.h"
#include "cri/backend.h"
#include "slipway/admin.grpc.pb.h"

namespace slipway::cri {

class AdminService final : public ::slipway::admin::Admin::CallbackService {
 public:
  explicit AdminService(Backend& backend) : backend_(backend) {}

  grpc::ServerWriteReactor<admin::Progress>* Pull(grpc::CallbackServerContext*, const admin::PullRequest*) override;
  grpc::ServerWriteReactor<admin::Progress>* Load(grpc::CallbackServerContext*, const admin::LoadRequest*) override;
  grpc::ServerUnaryReactor* Timeline(grpc::CallbackServerContext*, const admin::TimelineRequest*, admin::TimelineReply*) override;
  grpc::ServerUnaryReactor* Inspect(grpc::CallbackServerContext*, const admin::InspectRequest*, admin::InspectReply*) override;

 private:
  Result<void> timeline(const std::string& id, admin::TimelineReply* reply) const;
  Result<void> inspect(const std::string& id, admin::InspectReply* reply) const;

  Backend& backend_;
};

// The one pod or container whose id begins with `id` or whose name it is. Both lists are searched: an ambiguous one names its matches.
struct Match {
  const engine::PodRecord* pod = nullptr;
  const engine::ContainerRecord* container = nullptr;
};
Result<Match> find_by_id_or_name(const engine::Snapshot& snapshot, const std::string& id);

}  // namespace slipway::cri
