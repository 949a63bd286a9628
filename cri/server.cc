// gRPC's server with its services, tuned for a small idle daemon.
#include "cri/server.h"

#include <grpcpp/grpcpp.h>

#include "cri/admin_service.h"
#include "cri/containerd_service.h"
#include "cri/image_service.h"
#include "cri/runtime_service.h"
#include "cri/to_proto.h"

namespace slipway::cri {
namespace {

constexpr std::size_t kMemoryQuota = 256 << 20;  // of all connections' buffers: lists and ExecSync's output

class GrpcServer final : public Server {
 public:
  GrpcServer(ServerOptions options, engine::Engine& engine, engine::Images& images, engine::Network& network)
      : workers_(options.workers), backend_{engine, images, network, workers_, std::move(options.facts), options.streams} {}
  ~GrpcServer() override { GrpcServer::stop(std::chrono::milliseconds(0)); }

  Result<void> listen(const std::string& address, const std::string& as_containerd) {
    grpc::ServerBuilder builder;
    int bound = 0, second = 0;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &bound);
    if (!as_containerd.empty()) {
      builder.AddListeningPort(as_containerd, grpc::InsecureServerCredentials(), &second);
      builder.RegisterService(&containers_);
      builder.RegisterService(&tasks_);
      builder.RegisterService(&version_);
    }
    builder.SetMaxReceiveMessageSize(static_cast<int>(kMessageLimit));
    builder.SetMaxSendMessageSize(static_cast<int>(kMessageLimit));
    builder.SetResourceQuota(grpc::ResourceQuota("cri").Resize(kMemoryQuota));
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.RegisterService(&runtime_);
    builder.RegisterService(&images_);
    builder.RegisterService(&admin_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || bound == 0) return fail(Code::unavailable, "listen on {}: gRPC cannot bind it", address);
    if (!as_containerd.empty() && second == 0) return fail(Code::unavailable, "listen on {}: gRPC cannot bind it", as_containerd);
    return {};
  }

  void stop(std::chrono::milliseconds grace) override {
    if (server_ == nullptr) return;
    backend_.engine.events().close();  // its streams have no end of their own
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    // A handler that still runs answers a cancelled call; its messages live until then.
    workers_.stop();
    server_->Wait();
    server_.reset();
  }

 private:
  Workers workers_;
  Backend backend_;
  RuntimeService runtime_{backend_};
  ImageService images_{backend_};
  AdminService admin_{backend_};
  ContainersService containers_{backend_};
  TasksService tasks_{backend_};
  VersionService version_{backend_};
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, engine::Engine& engine, engine::Images& images,
                                              engine::Network& network) {
  const std::string address = options.listen, as_containerd = options.containerd_listen;
  auto server = std::make_unique<GrpcServer>(std::move(options), engine, images, network);
  TRY(server->listen(address, as_containerd));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace slipway::cri
