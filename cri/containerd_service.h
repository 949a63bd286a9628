// What an unmodified kubelet's cAdvisor asks containerd for, answered from slipway's records: which cgroup is whose, and a process of it.
//
//   cgroup …/ID or …/prefix-ID.scope ─▶ Containers.Get(ID) ─▶ labels (io.cri-containerd.kind, io.kubernetes.*), image, spec
//                                       Tasks.Get(ID) ───────▶ a pid; of a sandbox one in the pod's network namespace: /proc/PID/net/dev
//
// Opt-in (ADR 31). A pod's sandbox is its monitor. Errors are the codes that containerd's clients tell apart: NOT_FOUND, and
// FAILED_PRECONDITION without a namespace. Handlers read the snapshot and, of a pod, /proc.
#pragma once

#include "containerd/containers.grpc.pb.h"
#include "containerd/tasks.grpc.pb.h"
#include "containerd/version.grpc.pb.h"
#include "cri/answer.h"
#include "cri/backend.h"

namespace slipway::cri {

namespace compat {
namespace containers = ::containerd::services::containers::v1;
namespace tasks = ::containerd::services::tasks::v1;
namespace version = ::containerd::services::version::v1;
}  // namespace compat

class ContainersService final : public compat::containers::Containers::CallbackService {
 public:
  explicit ContainersService(Backend& backend) : backend_(backend) {}
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const compat::containers::GetContainerRequest* request,
                                compat::containers::GetContainerResponse* response) override;

 private:
  Backend& backend_;
};

class TasksService final : public compat::tasks::Tasks::CallbackService {
 public:
  explicit TasksService(Backend& backend) : backend_(backend) {}
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const compat::tasks::GetRequest* request,
                                compat::tasks::GetResponse* response) override;

 private:
  Backend& backend_;
};

class VersionService final : public compat::version::Version::CallbackService {
 public:
  explicit VersionService(Backend& backend) : backend_(backend) {}
  grpc::ServerUnaryReactor* Version(grpc::CallbackServerContext* context, const google::protobuf::Empty* request,
                                    compat::version::VersionResponse* response) override;

 private:
  Backend& backend_;
};

}  // namespace slipway::cri
