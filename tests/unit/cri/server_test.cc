// The services over a real gRPC connection, on fakes.
#include "tests/unit/cri/served.h"

using namespace slipway;
using namespace slipway::cri;
using namespace slipway::tests;
using Catch::Contains;

TEST_CASE("Version, Status and RuntimeConfig say what the kubelet wants", "[cri]") {
  Fixture f;
  v1::VersionResponse version;
  REQUIRE(f.call(&Runtime::Version, {}, version).ok());
  CHECK(version.version() == "0.1.0");
  CHECK(version.runtime_name() == "slipway");
  CHECK(version.runtime_api_version() == "v1");

  v1::StatusRequest verbose;
  verbose.set_verbose(true);
  v1::StatusResponse status;
  REQUIRE(f.call(&Runtime::Status, verbose, status).ok());
  REQUIRE(status.status().conditions_size() == 2);
  CHECK(status.status().conditions(0).type() == "RuntimeReady");
  CHECK(status.status().conditions(0).status());
  CHECK(status.status().conditions(1).type() == "NetworkReady");
  CHECK_FALSE(status.status().conditions(1).status());
  CHECK(status.status().conditions(1).reason() == "NetworkPluginNotReady");
  REQUIRE(status.runtime_handlers_size() == 1);
  CHECK(status.runtime_handlers(0).name().empty());
  CHECK(status.info().at("config") == "{\"root\":\"/x\"}");

  v1::RuntimeConfigResponse config;
  REQUIRE(f.call(&Runtime::RuntimeConfig, {}, config).ok());
  CHECK(config.linux().cgroup_driver() == v1::CGROUPFS);
}

TEST_CASE("a pod's life over the socket", "[cri]") {
  Fixture f;
  const std::string pod = f.run_pod("web");
  const std::string container = f.create(pod);

  v1::PodSandboxStatusRequest ask;
  ask.set_pod_sandbox_id("aaaa");  // a prefix is enough
  ask.set_verbose(true);
  v1::PodSandboxStatusResponse status;
  REQUIRE(f.call(&Runtime::PodSandboxStatus, ask, status).ok());
  CHECK(status.status().id() == pod);
  CHECK(status.timestamp() > 0);
  REQUIRE(status.containers_statuses_size() == 1);
  CHECK(status.containers_statuses(0).id() == container);
  CHECK_THAT(status.info().at("info"), Contains("\"monitor_pid\""));

  v1::StopContainerRequest stop;
  stop.set_container_id("ccc");
  stop.set_timeout(7);
  v1::StopContainerResponse stopped;
  REQUIRE(f.call(&Runtime::StopContainer, stop, stopped).ok());
  CHECK(f.engine.calls().back() == "stop_container " + container + " 7");

  v1::ExecSyncRequest exec;
  exec.set_container_id(container);
  exec.add_cmd("true");
  exec.set_timeout(5);
  v1::ExecSyncResponse output;
  REQUIRE(f.call(&Runtime::ExecSync, exec, output).ok());
  CHECK(output.stdout() == "out\n");
  CHECK(output.stderr() == "err\n");
  CHECK(output.exit_code() == 3);
  CHECK(f.engine.calls().back() == "exec_sync " + container + " true 5");
}

TEST_CASE("stop and remove of what is absent are fine, status of it is not", "[cri]") {
  Fixture f;
  v1::StopPodSandboxRequest stop;
  stop.set_pod_sandbox_id("nope");
  v1::StopPodSandboxResponse stopped;
  CHECK(f.call(&Runtime::StopPodSandbox, stop, stopped).ok());
  v1::RemoveContainerRequest remove;
  remove.set_container_id("nope");
  v1::RemoveContainerResponse removed;
  CHECK(f.call(&Runtime::RemoveContainer, remove, removed).ok());
  CHECK(f.engine.calls().empty());
  // A full id reaches the engine even when no record says so: the pod may be in the making.
  stop.set_pod_sandbox_id(std::string(64, 'e'));
  CHECK(f.call(&Runtime::StopPodSandbox, stop, stopped).ok());
  CHECK(f.engine.calls() == std::vector<std::string>{"stop_pod " + std::string(64, 'e')});

  v1::ContainerStatusRequest ask;
  ask.set_container_id("nope");
  v1::ContainerStatusResponse status;
  CHECK(f.call(&Runtime::ContainerStatus, ask, status).error_code() == grpc::StatusCode::NOT_FOUND);
  ask.clear_container_id();
  CHECK(f.call(&Runtime::ContainerStatus, ask, status).error_code() == grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_CASE("wrong messages never reach the engine", "[cri]") {
  Fixture f;
  v1::RunPodSandboxRequest request;
  v1::RunPodSandboxResponse response;
  const auto status = f.call(&Runtime::RunPodSandbox, request, response);
  CHECK_THAT(status.error_message(), Contains("metadata.name"));
  CHECK(f.engine.records.pods.empty());
}

TEST_CASE("the engine's code and words arrive", "[cri]") {
  Fixture f;
  f.engine.failure = fail(Code::deadline_exceeded, "exec in 'x': 5 s are over");
  v1::ExecSyncRequest exec;
  exec.set_container_id(std::string(64, 'c'));
  exec.add_cmd("sleep");
  v1::ExecSyncResponse output;
  const auto status = f.call(&Runtime::ExecSync, exec, output);
  CHECK(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK(status.error_message() == "exec in 'x': 5 s are over");
}

TEST_CASE("long waits fill their own lane only", "[cri]") {
  std::promise<void> gate;
  const auto opened = gate.get_future().share();
  std::promise<void> begun;
  std::atomic<bool> first = true;
  Fixture f;  // its workers end before what they wait for
  f.engine.on_call = [&] {
    if (first.exchange(false)) begun.set_value();
    opened.wait();
  };
  const auto stop = [&] {
    v1::StopContainerRequest request;
    request.set_container_id(std::string(64, 'c'));
    v1::StopContainerResponse response;
    return f.call(&Runtime::StopContainer, request, response).error_code();
  };
  auto running = std::async(std::launch::async, stop);
  begun.get_future().wait();
  // One more may wait in the queue; of three at least one is told that it is full.
  std::vector<std::future<grpc::StatusCode>> more;
  more.reserve(3);
  for (int i = 0; i < 3; ++i) more.push_back(std::async(std::launch::async, stop));
  v1::ListContainersResponse list;
  CHECK(f.call(&Runtime::ListContainers, {}, list).ok());  // answered while the waits wait
  const auto full = [&] {
    for (auto& future : more)
      if (future.valid() && future.wait_for(std::chrono::milliseconds(5)) == std::future_status::ready) return true;
    return false;
  };
  while (!full()) {
  }
  gate.set_value();
  CHECK(running.get() == grpc::StatusCode::OK);
  int refused = 0;
  for (auto& future : more) refused += future.get() == grpc::StatusCode::RESOURCE_EXHAUSTED ? 1 : 0;
  CHECK(refused >= 1);
  CHECK(refused <= 2);
}

TEST_CASE("images: pull, list, status, usage, remove", "[cri]") {
  Fixture f;
  v1::PullImageRequest pull;
  pull.mutable_image()->set_image("docker.io/library/web:1");
  pull.mutable_auth()->set_username("joe");
  v1::PullImageResponse pulled;
  REQUIRE(f.call(&Image::PullImage, pull, pulled).ok());
  CHECK(pulled.image_ref() == "sha256:" + std::string(64, '1'));
  CHECK(f.images.user == "joe");

  v1::ImageStatusRequest ask;
  ask.mutable_image()->set_image("docker.io/library/web:1");
  v1::ImageStatusResponse status;
  REQUIRE(f.call(&Image::ImageStatus, ask, status).ok());
  CHECK(status.image().id() == pulled.image_ref());
  ask.mutable_image()->set_image("absent");
  v1::ImageStatusResponse absent;
  REQUIRE(f.call(&Image::ImageStatus, ask, absent).ok());
  CHECK_FALSE(absent.has_image());

  v1::ImageFsInfoResponse usage;
  REQUIRE(f.call(&Image::ImageFsInfo, {}, usage).ok());
  CHECK(usage.image_filesystems(0).fs_id().mountpoint() == "/var/lib/slipway");
  CHECK(usage.image_filesystems(0).used_bytes().value() == 123);

  f.images.failure = fail(Code::unavailable, "GET http://r/v2/: Connection refused");
  const auto refused = f.call(&Image::PullImage, pull, pulled);
  CHECK(refused.error_code() == grpc::StatusCode::UNKNOWN);
  CHECK_THAT(refused.error_message(), Catch::StartsWith("RegistryUnavailable"));
}

TEST_CASE("a pull ends when its client's deadline passes, and says how far it was", "[cri]") {
  Fixture f;
  v1::PullImageRequest request;
  request.mutable_image()->set_image("stalls");
  v1::PullImageResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  const auto status = f.image->PullImage(&context, request, &response);
  CHECK(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK_THAT(status.error_message(), Catch::Contains("PullImage is in its stage 'download of layer1, 10 of 20 bytes' since"));
  CHECK(f.images.ended.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready);
}

TEST_CASE("admin: a pull and a load end when their client cancels", "[cri]") {
  {
    Fixture f;
    admin::PullRequest request;
    request.set_image("stalls");
    grpc::ClientContext context;
    auto stream = f.admin_stub->Pull(&context, request);
    f.images.begun.get_future().wait();  // a call that is cancelled sooner may never arrive
    context.TryCancel();
    CHECK(stream->Finish().error_code() == grpc::StatusCode::CANCELLED);
    CHECK(f.images.ended.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  }
  Fixture f;
  admin::LoadRequest request;
  request.set_path("/stalls");
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  auto stream = f.admin_stub->Load(&context, request);
  CHECK(stream->Finish().error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK(f.images.ended.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready);
}

TEST_CASE("lists stream, an empty one just ends", "[cri]") {
  Fixture f;
  const auto count = [&] {
    grpc::ClientContext context;
    auto stream = f.runtime->StreamPodSandboxes(&context, {});
    v1::StreamPodSandboxesResponse message;
    int n = 0;
    while (stream->Read(&message)) n += message.pod_sandboxes_size();
    REQUIRE(stream->Finish().ok());
    return n;
  };
  CHECK(count() == 0);
  f.run_pod("a");
  f.run_pod("b");
  CHECK(count() == 2);
}

TEST_CASE("what is not there says so", "[cri]") {
  Fixture f;
  v1::CheckpointPodResponse none;
  const auto status = f.call(&Runtime::CheckpointPod, {}, none);
  CHECK(status.error_code() == grpc::StatusCode::UNIMPLEMENTED);
  CHECK_THAT(status.error_message(), Contains("checkpoints of pods"));
}

TEST_CASE("admin: progress ends with the image, failures with their status", "[cri]") {
  Fixture f;
  admin::PullRequest request;
  request.set_image("docker.io/library/web:1");
  grpc::ClientContext context;
  auto stream = f.admin_stub->Pull(&context, request);
  admin::Progress progress;
  std::vector<admin::Progress> all;
  while (stream->Read(&progress)) all.push_back(progress);
  REQUIRE(stream->Finish().ok());
  REQUIRE_FALSE(all.empty());
  CHECK(all.back().stage() == "done");
  CHECK(all.back().image_id() == "sha256:" + std::string(64, '1'));
  CHECK(all.back().references(0) == "docker.io/library/web:1");
  CHECK(std::count_if(all.begin(), all.end(), [](const auto& p) { return p.stage() == "done"; }) == 1);

  admin::LoadRequest load;
  load.set_path("relative.tar");
  grpc::ClientContext other;
  auto refused = f.admin_stub->Load(&other, load);
  CHECK_FALSE(refused->Read(&progress));
  CHECK(refused->Finish().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_CASE("admin: timeline and inspect by name, prefix and with a word on what is ambiguous", "[cri]") {
  Fixture f;
  const std::string pod = f.run_pod("web");
  const std::string container = f.create(pod);
  f.engine.records.pods[pod].stages = {{"namespaces", 5'000, 1'000, 0}, {"network", 6'000, 3'000, 0}};
  f.engine.records.containers[container].stages = {{"exec", 20'000, 500, 0}};
  admin::TimelineRequest request;
  request.set_id("web");
  admin::TimelineReply reply;
  grpc::ClientContext context;
  REQUIRE(f.admin_stub->Timeline(&context, request, &reply).ok());
  CHECK(reply.pod_name() == "default/web");
  REQUIRE(reply.stages_size() == 3);
  CHECK(reply.stages(1).start() == 1'000);
  CHECK(reply.stages(2).container() == "app");

  const auto inspect = [&](const std::string& id, admin::InspectReply& out) {
    admin::InspectRequest ask;
    ask.set_id(id);
    grpc::ClientContext one;
    return f.admin_stub->Inspect(&one, ask, &out);
  };
  admin::InspectReply out;
  REQUIRE(inspect("app", out).ok());
  CHECK(out.kind() == "container");
  CHECK(inspect("zzz", out).error_code() == grpc::StatusCode::NOT_FOUND);
  f.run_pod("other");
  const auto ambiguous = inspect("aaa", out);
  CHECK(ambiguous.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK_THAT(ambiguous.error_message(), Contains("web") && Contains("other"));
}
