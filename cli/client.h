// slipctl's connection to slipwayd: one blocking method a call, errors as Result.
//
// One thread. Only this room's client.cc sees gRPC's generated services: they compile slowly.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "cri/v1/api.pb.h"
#include "slipway/admin.pb.h"

namespace slipway::cli {

namespace v1 = ::runtime::v1;

inline constexpr const char* kDefaultEndpoint = "unix:///run/slipway/slipway.sock";

using OnProgress = std::function<void(const admin::Progress&)>;

class Client {
 public:
  // Does not wait for slipwayd: the first call says whether it is there. A bare path is taken as unix://PATH.
  static Result<std::unique_ptr<Client>> connect(const std::string& endpoint);
  virtual ~Client() = default;

  virtual Result<v1::VersionResponse> version() = 0;
  virtual Result<v1::StatusResponse> status() = 0;  // verbose
  virtual Result<v1::RunPodSandboxResponse> run_pod(const v1::RunPodSandboxRequest& request) = 0;
  virtual Result<void> stop_pod(const std::string& id) = 0;
  virtual Result<void> remove_pod(const std::string& id) = 0;
  virtual Result<v1::PodSandboxStatusResponse> pod_status(const std::string& id) = 0;
  virtual Result<v1::ListPodSandboxResponse> pods() = 0;
  virtual Result<v1::CreateContainerResponse> create_container(const v1::CreateContainerRequest& request) = 0;
  virtual Result<void> start_container(const std::string& id) = 0;
  virtual Result<void> stop_container(const std::string& id, std::chrono::seconds grace) = 0;
  virtual Result<void> remove_container(const std::string& id) = 0;
  virtual Result<v1::ContainerStatusResponse> container_status(const std::string& id) = 0;
  virtual Result<v1::ListContainersResponse> containers() = 0;
  virtual Result<v1::ListContainerStatsResponse> container_stats() = 0;
  virtual Result<v1::ExecSyncResponse> exec(const v1::ExecSyncRequest& request) = 0;
  // The URLs of streams, each good once and for a minute.
  virtual Result<std::string> exec_url(const v1::ExecRequest& request) = 0;
  virtual Result<std::string> attach_url(const v1::AttachRequest& request) = 0;
  virtual Result<std::string> port_forward_url(const v1::PortForwardRequest& request) = 0;
  virtual Result<v1::ListImagesResponse> images() = 0;
  virtual Result<v1::ImageStatusResponse> image_status(const std::string& reference) = 0;
  virtual Result<void> remove_image(const std::string& reference) = 0;
  virtual Result<void> pull(const admin::PullRequest& request, const OnProgress& progress) = 0;
  virtual Result<void> load(const admin::LoadRequest& request, const OnProgress& progress) = 0;
  virtual Result<admin::TimelineReply> timeline(const std::string& id) = 0;
  virtual Result<admin::InspectReply> inspect(const std::string& id) = 0;
};

}  // namespace slipway::cli
