// The calls over gRPC.
#include "cli/client.h"

#include <grpcpp/grpcpp.h>

#include "cri/v1/api.grpc.pb.h"
#include "slipway/admin.grpc.pb.h"

namespace slipway::cli {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kMessageLimit = 64 << 20;  // ExecSync may answer with 32 MiB of output
constexpr seconds kUsual = minutes(2);   // CRI's own default
constexpr seconds kNone = seconds(0);    // no deadline

class GrpcClient final : public Client {
 public:
  GrpcClient(std::string endpoint, const std::shared_ptr<grpc::Channel>& channel)
      : endpoint_(std::move(endpoint)),
        runtime_(v1::RuntimeService::NewStub(channel)),
        image_(v1::ImageService::NewStub(channel)),
        admin_(admin::Admin::NewStub(channel)) {}

  using Runtime = v1::RuntimeService::Stub;
  using Image = v1::ImageService::Stub;
  using Admin = admin::Admin::Stub;

  Result<v1::VersionResponse> version() override { return call(*runtime_, &Runtime::Version, v1::VersionRequest(), kUsual); }
  Result<v1::StatusResponse> status() override {
    v1::StatusRequest request;
    request.set_verbose(true);
    return call(*runtime_, &Runtime::Status, request, kUsual);
  }
  Result<v1::RunPodSandboxResponse> run_pod(const v1::RunPodSandboxRequest& request) override {
    return call(*runtime_, &Runtime::RunPodSandbox, request, minutes(4));
  }
  Result<void> stop_pod(const std::string& id) override {
    v1::StopPodSandboxRequest request;
    request.set_pod_sandbox_id(id);
    return drop(call(*runtime_, &Runtime::StopPodSandbox, request, minutes(4)));
  }
  Result<void> remove_pod(const std::string& id) override {
    v1::RemovePodSandboxRequest request;
    request.set_pod_sandbox_id(id);
    return drop(call(*runtime_, &Runtime::RemovePodSandbox, request, kUsual));
  }
  Result<v1::PodSandboxStatusResponse> pod_status(const std::string& id) override {
    v1::PodSandboxStatusRequest request;
    request.set_pod_sandbox_id(id);
    return call(*runtime_, &Runtime::PodSandboxStatus, request, kUsual);
  }
  Result<v1::ListPodSandboxResponse> pods() override {
    return call(*runtime_, &Runtime::ListPodSandbox, v1::ListPodSandboxRequest(), kUsual);
  }
  Result<v1::CreateContainerResponse> create_container(const v1::CreateContainerRequest& request) override {
    return call(*runtime_, &Runtime::CreateContainer, request, kUsual);
  }
  Result<void> start_container(const std::string& id) override {
    v1::StartContainerRequest request;
    request.set_container_id(id);
    return drop(call(*runtime_, &Runtime::StartContainer, request, kUsual));
  }
  Result<void> stop_container(const std::string& id, seconds grace) override {
    v1::StopContainerRequest request;
    request.set_container_id(id);
    request.set_timeout(grace.count());
    return drop(call(*runtime_, &Runtime::StopContainer, request, grace + kUsual));
  }
  Result<void> remove_container(const std::string& id) override {
    v1::RemoveContainerRequest request;
    request.set_container_id(id);
    return drop(call(*runtime_, &Runtime::RemoveContainer, request, kUsual));
  }
  Result<v1::ContainerStatusResponse> container_status(const std::string& id) override {
    v1::ContainerStatusRequest request;
    request.set_container_id(id);
    return call(*runtime_, &Runtime::ContainerStatus, request, kUsual);
  }
  Result<v1::ListContainersResponse> containers() override {
    return call(*runtime_, &Runtime::ListContainers, v1::ListContainersRequest(), kUsual);
  }
  Result<v1::ListContainerStatsResponse> container_stats() override {
    return call(*runtime_, &Runtime::ListContainerStats, v1::ListContainerStatsRequest(), kUsual);
  }
  Result<v1::ExecSyncResponse> exec(const v1::ExecSyncRequest& request) override {
    return call(*runtime_, &Runtime::ExecSync, request, request.timeout() > 0 ? seconds(request.timeout()) + kUsual : kNone);
  }
  Result<std::string> exec_url(const v1::ExecRequest& request) override { return url(call(*runtime_, &Runtime::Exec, request, kUsual)); }
  Result<std::string> attach_url(const v1::AttachRequest& request) override {
    return url(call(*runtime_, &Runtime::Attach, request, kUsual));
  }
  Result<std::string> port_forward_url(const v1::PortForwardRequest& request) override {
    return url(call(*runtime_, &Runtime::PortForward, request, kUsual));
  }
  Result<v1::ListImagesResponse> images() override { return call(*image_, &Image::ListImages, v1::ListImagesRequest(), kUsual); }
  Result<v1::ImageStatusResponse> image_status(const std::string& reference) override {
    v1::ImageStatusRequest request;
    request.mutable_image()->set_image(reference);
    return call(*image_, &Image::ImageStatus, request, kUsual);
  }
  Result<void> remove_image(const std::string& reference) override {
    v1::RemoveImageRequest request;
    request.mutable_image()->set_image(reference);
    return drop(call(*image_, &Image::RemoveImage, request, kUsual));
  }
  Result<void> pull(const admin::PullRequest& request, const OnProgress& progress) override {
    grpc::ClientContext context;
    return follow(admin_->Pull(&context, request), progress);
  }
  Result<void> load(const admin::LoadRequest& request, const OnProgress& progress) override {
    grpc::ClientContext context;
    return follow(admin_->Load(&context, request), progress);
  }
  Result<admin::TimelineReply> timeline(const std::string& id) override {
    admin::TimelineRequest request;
    request.set_id(id);
    return call(*admin_, &Admin::Timeline, request, kUsual);
  }
  Result<admin::InspectReply> inspect(const std::string& id) override {
    admin::InspectRequest request;
    request.set_id(id);
    return call(*admin_, &Admin::Inspect, request, kUsual);
  }

 private:
  template <class Stub, class Request, class Response>
  Result<Response> call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request,
                        seconds deadline) {
    grpc::ClientContext context;
    if (deadline != kNone) context.set_deadline(std::chrono::system_clock::now() + deadline);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return error_of(status);
    return response;
  }

  template <class Response>
  static Result<void> drop(Result<Response> result) {
    if (!result.ok()) return std::move(result).error();
    return {};
  }

  template <class Response>
  static Result<std::string> url(Result<Response> result) {
    if (!result.ok()) return std::move(result).error();
    return result.value().url();
  }

  Result<void> follow(std::unique_ptr<grpc::ClientReader<admin::Progress>> stream, const OnProgress& progress) {
    admin::Progress message;
    while (stream->Read(&message)) progress(message);
    const grpc::Status status = stream->Finish();
    if (!status.ok()) return error_of(status);
    return {};
  }

  Error error_of(const grpc::Status& status) const {
    const auto code = static_cast<Code>(status.error_code());
    if (code == Code::unavailable)
      return fail(code, "slipwayd does not answer at {} ({}); is it running? Another socket: --endpoint", endpoint_,
                  status.error_message());
    return fail(code, "{}", status.error_message());
  }

  std::string endpoint_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Image> image_;
  std::unique_ptr<Admin> admin_;
};

}  // namespace

Result<std::unique_ptr<Client>> Client::connect(const std::string& endpoint) {
  const std::string address = endpoint.starts_with('/') ? "unix://" + endpoint : endpoint;
  if (!address.starts_with("unix:///")) return fail(Code::invalid_argument, "endpoint '{}' is not of the form unix:///PATH", endpoint);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageLimit);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return std::unique_ptr<Client>(
      new GrpcClient(address, grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments)));
}

}  // namespace slipway::cli
