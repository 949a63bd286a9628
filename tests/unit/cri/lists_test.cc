// Lists of a full node: their cost, their sizes; and calls whose clients do not wait long enough.
#include <algorithm>
#include <ctime>

#include "engine/stage_note.h"
#include "sys/process.h"
#include "tests/unit/cri/served.h"

using namespace slipway;
using namespace slipway::cri;
using namespace slipway::tests;
using Catch::Contains;

namespace {

// As the kubelet labels and annotates them.
void fill(FakeEngine& engine, std::size_t pods, std::size_t containers_each, std::size_t note = 300) {
  const std::lock_guard lock(engine.mutex);
  for (std::size_t i = 0; i < pods; ++i) {
    engine::PodRecord pod;
    pod.id = fmt::format("{:064x}", i);
    pod.state = engine::PodState::ready;
    pod.created_at = 1'000;
    pod.spec.metadata = {fmt::format("pod-{}", i), fmt::format("uid-{}", i), "default", 0};
    for (int k = 0; k < 8; ++k) pod.spec.labels[fmt::format("app.kubernetes.io/label-{}", k)] = fmt::format("a value of some length {}", k);
    for (int k = 0; k < 4; ++k) pod.spec.annotations[fmt::format("io.kubernetes.pod.annotation-{}", k)] = std::string(note, 'x');
    for (std::size_t c = 0; c < containers_each; ++c) {
      engine::ContainerRecord container;
      container.id = fmt::format("{:062x}{:02x}", i, c);
      container.pod_id = pod.id;
      container.state = engine::ContainerState::running;
      container.created_at = 2'000;
      container.image_id = "sha256:" + std::string(64, '1');
      container.spec.metadata.name = fmt::format("container-{}", c);
      container.spec.image = container.spec.user_specified_image = "registry.example/some/image:1";
      container.spec.labels = pod.spec.labels;
      container.spec.annotations = pod.spec.annotations;
      engine.records.containers[container.id] = std::move(container);
    }
    engine.records.pods[pod.id] = std::move(pod);
  }
}

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

TEST_CASE("300 pods with 600 containers are listed in little time", "[cri][lists]") {
  Fixture f;
  fill(f.engine, 300, 2);
  f.engine.frozen = f.engine.snapshot();  // the real engine's is made with each change, not with each question
  v1::ListPodSandboxResponse pods;
  v1::ListContainersResponse containers;
  REQUIRE(f.call(&Runtime::ListPodSandbox, {}, pods).ok());
  REQUIRE(f.call(&Runtime::ListContainers, {}, containers).ok());
  CHECK(pods.items_size() == 300);
  CHECK(containers.containers_size() == 600);
  // By clients that are processes of their own: what this one needs is the server's, connections included.
  for (const char* list : {"ListPodSandbox", "ListContainers"}) {
    constexpr int kRounds = 20;
    std::vector<double> each;
    for (int i = 0; i < kRounds; ++i) {
      const double begin = cpu_seconds();
      auto client = sys::spawn({.program = CRI_CALL, .argv = {"cri_call", "unix://" + f.dir.path + "/cri.sock", list, "{}"}});
      REQUIRE(client.ok());
      CHECK(client.value().wait().value().code == 0);
      each.push_back((cpu_seconds() - begin) * 1000);
    }
    std::sort(each.begin(), each.end());
    const double middle = each[kRounds / 2];
    WARN(list << ": " << middle << " ms of the server's processor time");
#ifndef __SANITIZE_ADDRESS__
    CHECK(middle < 10);
#endif
  }
}

TEST_CASE("a list that is too large for a message comes as a stream of messages that are not", "[cri][lists]") {
  Fixture f;
  fill(f.engine, 300, 1, 16 * 1024);  // 19 MiB of annotations
  v1::ListPodSandboxResponse list;
  CHECK(f.call(&Runtime::ListPodSandbox, {}, list).error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  grpc::ClientContext context;
  auto stream = f.runtime->StreamPodSandboxes(&context, {});
  v1::StreamPodSandboxesResponse message;
  std::size_t messages = 0, bytes = 0;
  std::set<std::string> ids;
  while (stream->Read(&message)) {
    ++messages;
    bytes += message.ByteSizeLong();
    CHECK(message.ByteSizeLong() < 4 << 20);
    for (const auto& pod : message.pod_sandboxes()) CHECK(ids.insert(pod.id()).second);
  }
  CHECK(stream->Finish().ok());
  CHECK(ids.size() == 300);
  CHECK(messages > 4);
  CHECK(bytes > 16 << 20);
}

TEST_CASE("a call whose client gives up soon is answered with the stage it is in, and its work goes on", "[cri][lists]") {
  std::promise<void> gate;
  const auto opened = gate.get_future().share();
  std::atomic<bool> done = false;
  Fixture f;  // its workers end before what they wait for
  f.engine.on_call = [&] {
    const auto note = std::make_shared<engine::StageNote>("StopPodSandbox");
    note->set("network");
    engine::StageWatch::follow(note);
    opened.wait();
    done = true;
  };
  v1::StopPodSandboxRequest request;
  request.set_pod_sandbox_id(std::string(64, 'e'));
  v1::StopPodSandboxResponse response;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  const auto status = f.runtime->StopPodSandbox(&context, request, &response);
  CHECK(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK_THAT(status.error_message(), Contains("StopPodSandbox is in its stage 'network' since"));
  CHECK_FALSE(done);
  gate.set_value();
  f.server->stop(std::chrono::seconds(20));
  CHECK(done);
}

TEST_CASE("a client that gives a tenth of a second is told the stage too", "[cri][lists]") {
  std::promise<void> gate;
  const auto opened = gate.get_future().share();
  Fixture f;  // its workers end before what they wait for
  f.engine.on_call = [&] {
    const auto note = std::make_shared<engine::StageNote>("StopPodSandbox");
    note->set("network");
    engine::StageWatch::follow(note);
    opened.wait();
  };
  // On a busy machine the client's library may be the first to speak: not each time.
  bool told = false;
  for (int i = 0; i < 50 && !told; ++i) {
    v1::StopPodSandboxRequest request;
    request.set_pod_sandbox_id(std::string(64, 'e'));
    v1::StopPodSandboxResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
    const auto status = f.runtime->StopPodSandbox(&context, request, &response);
    CHECK(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
    told = status.error_message().find("StopPodSandbox is") == 0;
  }
  gate.set_value();
  CHECK(told);
}
