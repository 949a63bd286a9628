// The services on fakes, behind a real gRPC connection, and short ways to call them.
#pragma once

#include "cri/server.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <future>
#include <thread>

#include "cri/v1/api.grpc.pb.h"
#include "slipway/admin.grpc.pb.h"
#include "tests/unit/cri/fakes.h"

namespace slipway::tests {

using namespace slipway::cri;
namespace v1 = ::runtime::v1;

struct TempDir {
  TempDir() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~TempDir() { (void)::rmdir(path.c_str()); }
  std::string path = "/tmp/slipway-cri-XXXXXX";
};

struct Fixture {
  Fixture() {
    ServerOptions options;
    options.listen = "unix://" + dir.path + "/cri.sock";
    options.facts.version = "0.1.0";
    options.facts.configuration = "{\"root\":\"/x\"}";
    options.workers.waits = 1;
    options.workers.queue = 1;
    auto started = Server::start(std::move(options), engine, images, network);
    REQUIRE(started.ok());
    server = std::move(started).take();
    channel = grpc::CreateChannel("unix://" + dir.path + "/cri.sock", grpc::InsecureChannelCredentials());
    runtime = v1::RuntimeService::NewStub(channel);
    image = v1::ImageService::NewStub(channel);
    admin_stub = admin::Admin::NewStub(channel);
  }
  ~Fixture() {
    server->stop(std::chrono::seconds(1));
    (void)::unlink((dir.path + "/cri.sock").c_str());
  }

  template <class Request, class Response>
  grpc::Status call(grpc::Status (v1::RuntimeService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response) {
    grpc::ClientContext context;
    return (runtime.get()->*method)(&context, request, &response);
  }
  template <class Request, class Response>
  grpc::Status call(grpc::Status (v1::ImageService::Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request,
                    Response& response) {
    grpc::ClientContext context;
    return (image.get()->*method)(&context, request, &response);
  }

  std::string run_pod(const std::string& name) {
    v1::RunPodSandboxRequest request;
    auto* metadata = request.mutable_config()->mutable_metadata();
    metadata->set_name(name);
    metadata->set_uid("u");
    metadata->set_namespace_("default");
    v1::RunPodSandboxResponse response;
    REQUIRE(call(&v1::RuntimeService::Stub::RunPodSandbox, request, response).ok());
    return response.pod_sandbox_id();
  }
  std::string create(const std::string& pod) {
    v1::CreateContainerRequest request;
    request.set_pod_sandbox_id(pod);
    request.mutable_config()->mutable_metadata()->set_name("app");
    request.mutable_config()->mutable_image()->set_image("nginx:1");
    v1::CreateContainerResponse response;
    REQUIRE(call(&v1::RuntimeService::Stub::CreateContainer, request, response).ok());
    return response.container_id();
  }

  TempDir dir;
  tests::FakeEngine engine;
  tests::FakeImages images;
  tests::FakeNetwork network;
  std::unique_ptr<Server> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::RuntimeService::Stub> runtime;
  std::unique_ptr<v1::ImageService::Stub> image;
  std::unique_ptr<admin::Admin::Stub> admin_stub;
};

using Runtime = v1::RuntimeService::Stub;
using Image = v1::ImageService::Stub;

}  // namespace slipway::tests
