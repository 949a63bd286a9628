// What clients watch a node by, over a real gRPC connection: statistics, metrics, events; and what they tell it.
#include <thread>

#include "tests/unit/cri/served.h"

using namespace slipway;
using namespace slipway::cri;
using namespace slipway::tests;

TEST_CASE("statistics and metrics of pods, asked for one by one, as a list and as a stream", "[cri]") {
  Fixture f;
  const std::string pod = f.run_pod("a");
  const std::string id = f.create(pod);
  v1::PodSandboxStatsRequest one;
  one.set_pod_sandbox_id(pod.substr(0, 64));
  v1::PodSandboxStatsResponse stats;
  REQUIRE(f.call(&Runtime::PodSandboxStats, one, stats).ok());
  CHECK(stats.stats().attributes().id() == pod);
  CHECK(stats.stats().linux().network().default_interface().rx_bytes().value() == 11);
  CHECK(stats.stats().linux().containers(0).attributes().id() == id);

  v1::ListPodSandboxStatsResponse list;
  REQUIRE(f.call(&Runtime::ListPodSandboxStats, {}, list).ok());
  CHECK(list.stats_size() == 1);
  v1::ListPodSandboxStatsRequest other;
  other.mutable_filter()->set_id("nobody");
  v1::ListPodSandboxStatsResponse nothing;
  REQUIRE(f.call(&Runtime::ListPodSandboxStats, other, nothing).ok());
  CHECK(nothing.stats_size() == 0);
  grpc::ClientContext stats_context;
  auto stats_stream = f.runtime->StreamPodSandboxStats(&stats_context, {});
  v1::StreamPodSandboxStatsResponse streamed;
  REQUIRE(stats_stream->Read(&streamed));
  CHECK(streamed.pod_sandbox_stats(0).SerializeAsString() == list.stats(0).SerializeAsString());
  CHECK_FALSE(stats_stream->Read(&streamed));
  CHECK(stats_stream->Finish().ok());

  v1::ListMetricDescriptorsResponse descriptors;
  REQUIRE(f.call(&Runtime::ListMetricDescriptors, {}, descriptors).ok());
  CHECK(descriptors.descriptors_size() > 40);
  v1::ListPodSandboxMetricsResponse metrics;
  REQUIRE(f.call(&Runtime::ListPodSandboxMetrics, {}, metrics).ok());
  REQUIRE(metrics.pod_metrics_size() == 1);
  CHECK(metrics.pod_metrics(0).container_metrics(0).container_id() == id);
  grpc::ClientContext metrics_context;
  auto metrics_stream = f.runtime->StreamPodSandboxMetrics(&metrics_context, {});
  v1::StreamPodSandboxMetricsResponse message;
  REQUIRE(metrics_stream->Read(&message));
  CHECK(message.pod_sandbox_metrics(0).pod_sandbox_id() == pod);
  CHECK_FALSE(metrics_stream->Read(&message));
  CHECK(metrics_stream->Finish().ok());
}

TEST_CASE("events carry the statuses of the moment they are sent", "[cri]") {
  Fixture f;
  const std::string pod = f.run_pod("a");
  const std::string id = f.create(pod);
  f.engine.hub.publish({engine::PodEventType::created, id, pod, now_realtime()});  // nobody listens: kept
  f.engine.records.containers[id].state = engine::ContainerState::running;
  grpc::ClientContext context;
  auto stream = f.runtime->GetContainerEvents(&context, {});
  v1::ContainerEventResponse event;
  f.engine.hub.publish({engine::PodEventType::started, id, pod, now_realtime()});
  f.engine.hub.publish({engine::PodEventType::stopped, pod, "of a pod that nobody knows", now_realtime()});  // nothing to tell
  for (const auto type : {v1::CONTAINER_CREATED_EVENT, v1::CONTAINER_STARTED_EVENT}) {
    REQUIRE(stream->Read(&event));
    CHECK(event.container_id() == id);
    CHECK(event.container_event_type() == type);
    REQUIRE(event.containers_statuses_size() == 1);
    CHECK(event.containers_statuses(0).state() == v1::CONTAINER_RUNNING);
  }
  CHECK(event.pod_sandbox_status().metadata().name() == "a");
  {
    const std::lock_guard lock(f.engine.mutex);
    f.engine.hub.remember(f.engine.records.pods[pod], now_realtime());
    f.engine.records = {};
  }
  f.engine.hub.publish({engine::PodEventType::deleted, pod, pod, now_realtime()});
  REQUIRE(stream->Read(&event));
  CHECK(event.container_event_type() == v1::CONTAINER_DELETED_EVENT);
  CHECK(event.pod_sandbox_status().id() == pod);
  CHECK(event.pod_sandbox_status().state() == v1::SANDBOX_NOTREADY);
  CHECK(event.containers_statuses_size() == 0);
  f.server->stop(std::chrono::seconds(1));
  CHECK_FALSE(stream->Read(&event));
  CHECK(stream->Finish().error_code() == grpc::StatusCode::UNAVAILABLE);
}

TEST_CASE("a subscriber that goes is noticed, and what comes then is the next one's", "[cri]") {
  Fixture f;
  const std::string pod = f.run_pod("a");
  {
    grpc::ClientContext context;
    auto stream = f.runtime->GetContainerEvents(&context, {});
    f.engine.hub.publish({engine::PodEventType::created, pod, pod, now_realtime()});
    v1::ContainerEventResponse event;
    REQUIRE(stream->Read(&event));
    context.TryCancel();
    CHECK_FALSE(stream->Read(&event));
    CHECK(stream->Finish().error_code() == grpc::StatusCode::CANCELLED);
  }
  const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (f.engine.hub.subscribers() != 0 && std::chrono::steady_clock::now() < late) std::this_thread::yield();
  REQUIRE(f.engine.hub.subscribers() == 0);
  f.engine.hub.publish({engine::PodEventType::stopped, pod, pod, now_realtime()});
  // The lane's one worker is free again: this call would wait for ever otherwise.
  grpc::ClientContext context;
  auto stream = f.runtime->GetContainerEvents(&context, {});
  v1::ContainerEventResponse event;
  REQUIRE(stream->Read(&event));
  CHECK(event.container_event_type() == v1::CONTAINER_STOPPED_EVENT);
}

TEST_CASE("pod resources and the node's pod CIDR arrive", "[cri]") {
  Fixture f;
  const std::string pod = f.run_pod("a");
  v1::UpdatePodSandboxResourcesRequest update;
  update.set_pod_sandbox_id(pod);
  update.mutable_overhead()->set_cpu_shares(7);
  update.mutable_resources()->set_cpu_shares(8);
  v1::UpdatePodSandboxResourcesResponse updated;
  REQUIRE(f.call(&Runtime::UpdatePodSandboxResources, update, updated).ok());
  CHECK(f.engine.calls().back() == "update_pod_resources " + pod + " 7 8");
  v1::UpdateRuntimeConfigRequest config;
  v1::UpdateRuntimeConfigResponse configured;
  REQUIRE(f.call(&Runtime::UpdateRuntimeConfig, config, configured).ok());
  CHECK(f.network.cidrs.empty());
  config.mutable_runtime_config()->mutable_network_config()->set_pod_cidr("10.1.0.0/24");
  REQUIRE(f.call(&Runtime::UpdateRuntimeConfig, config, configured).ok());
  CHECK(f.network.cidrs == "10.1.0.0/24");
}
