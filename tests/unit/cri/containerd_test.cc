// The socket that speaks as containerd: what a client of cAdvisor's kind asks and reads, over a real gRPC connection.
#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "containerd/containers.grpc.pb.h"
#include "containerd/tasks.grpc.pb.h"
#include "containerd/version.grpc.pb.h"
#include "tests/unit/cri/served.h"

using namespace slipway;
using namespace slipway::cri;
using namespace slipway::tests;
using Catch::Contains;
namespace containers = ::containerd::services::containers::v1;
namespace tasks = ::containerd::services::tasks::v1;
namespace version = ::containerd::services::version::v1;

namespace {

struct Compat {
  Compat() {
    ServerOptions options;
    options.listen = "unix://" + dir.path + "/cri.sock";
    options.containerd_listen = "unix://" + dir.path + "/containerd.sock";
    options.facts.version = "0.1.0";
    auto started = Server::start(std::move(options), engine, images, network);
    REQUIRE(started.ok());
    server = std::move(started).take();
    const auto channel = grpc::CreateChannel("unix://" + dir.path + "/containerd.sock", grpc::InsecureChannelCredentials());
    containers_stub = containers::Containers::NewStub(channel);
    tasks_stub = tasks::Tasks::NewStub(channel);
    version_stub = version::Version::NewStub(channel);
    runtime = v1::RuntimeService::NewStub(channel);
    engine::PodRecord& pod = engine.records.pods["p"];
    pod.id = "p";
    pod.state = engine::PodState::ready;
    pod.spec.metadata = {"web", "uid", "default", 0};
    pod.spec.labels = {{"io.kubernetes.pod.name", "web"}, {"io.kubernetes.pod.namespace", "default"}, {"io.kubernetes.pod.uid", "uid"}};
    pod.cgroup = "/kubepods/poduid/p";
    pod.created_at = 5'000'000'007;
    pod.monitor_pid = static_cast<std::uint32_t>(::getpid());
    engine::ContainerRecord& container = engine.records.containers["c"];
    container.id = "c";
    container.pod_id = "p";
    container.state = engine::ContainerState::running;
    container.pid = static_cast<std::uint32_t>(::getpid());
    container.cgroup = "/kubepods/poduid/p/c";
    container.spec.metadata.name = "server";
    container.spec.user_specified_image = "nginx:1";
    container.spec.envs = {{"HOME", "/root"}};
    container.spec.labels = {{"io.kubernetes.container.name", "server"}, {"io.kubernetes.pod.name", "web"}};
  }
  ~Compat() {
    server->stop(std::chrono::seconds(1));
    for (const char* name : {"/cri.sock", "/containerd.sock"}) (void)::unlink((dir.path + name).c_str());
  }

  grpc::Status get(const std::string& id, containers::GetContainerResponse& out, const char* in = "k8s.io") {
    grpc::ClientContext context;
    if (in != nullptr) context.AddMetadata("containerd-namespace", in);
    containers::GetContainerRequest request;
    request.set_id(id);
    return containers_stub->Get(&context, request, &out);
  }
  grpc::Status task(const std::string& id, std::uint32_t& pid) {
    grpc::ClientContext context;
    context.AddMetadata("containerd-namespace", "k8s.io");
    tasks::GetRequest request;
    request.set_container_id(id);
    tasks::GetResponse response;
    const auto status = tasks_stub->Get(&context, request, &response);
    pid = response.process().pid();
    return status;
  }

  TempDir dir;
  FakeEngine engine;
  FakeImages images;
  FakeNetwork network;
  std::unique_ptr<Server> server;
  std::unique_ptr<containers::Containers::Stub> containers_stub;
  std::unique_ptr<tasks::Tasks::Stub> tasks_stub;
  std::unique_ptr<version::Version::Stub> version_stub;
  std::unique_ptr<v1::RuntimeService::Stub> runtime;
};

}  // namespace

TEST_CASE("containerd's socket: containers and sandboxes with the labels by which they are told apart", "[cri][containerd]") {
  Compat f;
  containers::GetContainerResponse sandbox, container;
  REQUIRE(f.get("p", sandbox).ok());
  CHECK(sandbox.container().id() == "p");
  CHECK(sandbox.container().labels().at("io.cri-containerd.kind") == "sandbox");
  CHECK(sandbox.container().labels().at("io.kubernetes.pod.uid") == "uid");
  CHECK(sandbox.container().image().empty());  // dashboards tell containers from sandboxes so
  CHECK(sandbox.container().created_at().seconds() == 5);
  CHECK(sandbox.container().created_at().nanos() == 7);
  REQUIRE(f.get("c", container).ok());
  CHECK(container.container().labels().at("io.cri-containerd.kind") == "container");
  CHECK(container.container().labels().at("io.kubernetes.container.name") == "server");
  CHECK(container.container().image() == "nginx:1");
  CHECK(container.container().sandbox() == "p");
  const auto spec = nlohmann::json::parse(container.container().spec().value());
  CHECK(spec["process"]["env"] == nlohmann::json::array({"HOME=/root"}));
  CHECK(spec["annotations"]["io.kubernetes.cri.container-type"] == "container");
  CHECK(spec["annotations"]["io.kubernetes.cri.sandbox-id"] == "p");
  CHECK(spec["linux"]["cgroupsPath"] == "/kubepods/poduid/p/c");
}

TEST_CASE("containerd's socket: what is not there is NOT_FOUND, a call without a namespace is refused", "[cri][containerd]") {
  Compat f;
  containers::GetContainerResponse out;
  CHECK(f.get("nobody", out).error_code() == grpc::StatusCode::NOT_FOUND);
  CHECK(f.get("p", out, "moby").error_code() == grpc::StatusCode::NOT_FOUND);
  CHECK(f.get("p", out, nullptr).error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  std::uint32_t pid = 0;
  CHECK(f.task("nobody", pid).error_code() == grpc::StatusCode::NOT_FOUND);
  f.engine.records.containers["c"].state = engine::ContainerState::exited;
  CHECK(f.task("c", pid).error_code() == grpc::StatusCode::NOT_FOUND);
  f.engine.records.pods["p"].state = engine::PodState::not_ready;
  CHECK(f.task("p", pid).error_code() == grpc::StatusCode::NOT_FOUND);
}

TEST_CASE("containerd's socket: a sandbox's process is one in the pod's network namespace", "[cri][containerd]") {
  Compat f;
  const auto self = static_cast<std::uint32_t>(::getpid());
  std::uint32_t pid = 0;
  f.engine.records.pods["p"].netns = "/proc/self/ns/net";
  REQUIRE(f.task("p", pid).ok());
  CHECK(pid == self);
  REQUIRE(f.task("c", pid).ok());
  CHECK(pid == self);
  f.engine.records.pods["p"].netns = f.dir.path;  // no process is there
  CHECK(f.task("p", pid).error_code() == grpc::StatusCode::NOT_FOUND);
  f.engine.records.pods["p"].netns = "/proc/self/ns/net";
  f.engine.records.pods["p"].monitor_pid = 0x7fffffff;
  REQUIRE(f.task("p", pid).ok());  // the container's
  CHECK(pid == self);
}

TEST_CASE("containerd's socket: its version, and CRI", "[cri][containerd]") {
  Compat f;
  grpc::ClientContext first, second;
  version::VersionResponse answered;
  REQUIRE(f.version_stub->Version(&first, {}, &answered).ok());
  CHECK(answered.version() == "0.1.0");
  v1::VersionResponse cri;
  REQUIRE(f.runtime->Version(&second, {}, &cri).ok());
  CHECK(cri.runtime_name() == "slipway");
}
