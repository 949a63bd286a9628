// What records become on the wire, and which of them a filter takes.
#include "cri/to_proto.h"

#include <catch2/catch.hpp>
#include <limits>

#include "cri/answer.h"
#include "cri/from_proto.h"
#include "cri/image_service.h"
#include "cri/inspect.h"
#include "cri/list_item.h"

using namespace slipway;
using namespace slipway::cri;
using Catch::Contains;

namespace {

engine::PodRecord pod_record() {
  engine::PodRecord pod;
  pod.id = "abc" + std::string(61, '0');
  pod.spec.metadata = {"web", "u-1", "default", 1};
  pod.spec.labels = {{"app", "web"}, {"tier", "front"}};
  pod.state = engine::PodState::ready;
  pod.created_at = 42;
  pod.ips = {"10.1.0.2", "fd00::2"};
  return pod;
}

engine::ContainerRecord container_record() {
  engine::ContainerRecord container;
  container.id = "cde" + std::string(61, '0');
  container.pod_id = "abc" + std::string(61, '0');
  container.spec.metadata = {"app", 0};
  container.spec.image = "sha256:11";
  container.spec.labels = {{"app", "web"}};
  container.spec.envs = {{"TOKEN", "s3cret"}};
  container.spec.mounts.emplace_back();
  container.spec.mounts[0].container_path = "/dev/termination-log";
  container.spec.mounts[0].host_path = "/var/lib/kubelet/x";
  container.image_id = "sha256:11";
  container.state = engine::ContainerState::exited;
  container.created_at = 43;
  container.exit_code = 137;
  container.reason = "OOMKilled";
  container.log_path = "/var/log/pods/x/app/0.log";
  container.stop_signal = "SIGRTMIN+3";
  container.resources.cpu_shares = 512;
  container.user = {1000, 1001, {7}};
  return container;
}

engine::Labels as_map(const google::protobuf::Map<std::string, std::string>& map) {
  return {map.begin(), map.end()};
}

}  // namespace

TEST_CASE("what a list says of a pod and of a container is what their statuses say", "[cri]") {
  auto pod = pod_record();
  pod.spec.annotations = {{"empty", ""}, {"", "nameless"}, {"long", std::string(70'000, 'x')}};
  pod.spec.runtime_handler = "crun";
  v1::PodSandbox listed;
  REQUIRE(listed.ParseFromString(list_item(pod)));
  CHECK(listed.GetReflection()->GetUnknownFields(listed).empty());
  const auto said = to_status(pod);
  CHECK(listed.id() == pod.id);
  CHECK(listed.metadata().SerializeAsString() == said.metadata().SerializeAsString());
  CHECK(listed.state() == said.state());
  CHECK(listed.created_at() == 42);
  CHECK(as_map(listed.labels()) == pod.spec.labels);
  CHECK(as_map(listed.annotations()) == pod.spec.annotations);
  CHECK(listed.runtime_handler() == "crun");

  auto container = container_record();
  container.spec.user_specified_image = "registry.example/app:1";
  container.spec.annotations = pod.spec.annotations;
  container.created_at = std::numeric_limits<std::int64_t>::max();
  v1::Container item;
  REQUIRE(item.ParseFromString(list_item(container)));
  CHECK(item.GetReflection()->GetUnknownFields(item).empty());
  const auto status = to_status(container, nullptr);
  CHECK(item.id() == container.id);
  CHECK(item.pod_sandbox_id() == container.pod_id);
  CHECK(item.metadata().SerializeAsString() == status.metadata().SerializeAsString());
  CHECK(item.image().SerializeAsString() == status.image().SerializeAsString());
  CHECK(item.image_ref() == status.image_ref());
  CHECK(item.image_id() == status.image_id());
  CHECK(item.state() == v1::CONTAINER_EXITED);
  CHECK(item.created_at() == status.created_at());
  CHECK(as_map(item.labels()) == container.spec.labels);
  CHECK(as_map(item.annotations()) == container.spec.annotations);

  // A record of which nothing is set: messages that are there and empty.
  REQUIRE(listed.ParseFromString(list_item(engine::PodRecord())));
  CHECK(listed.has_metadata());
  REQUIRE(item.ParseFromString(list_item(engine::ContainerRecord())));
  CHECK((item.has_metadata() && item.has_image()));
}

TEST_CASE("a pod's status has what the kubelet refuses to miss", "[cri]") {
  const auto status = to_status(pod_record());
  CHECK(status.id().size() == 64);
  CHECK(status.metadata().namespace_() == "default");
  CHECK(status.created_at() == 42);
  CHECK(status.state() == v1::SANDBOX_READY);
  CHECK(status.network().ip() == "10.1.0.2");
  REQUIRE(status.network().additional_ips_size() == 1);
  CHECK(status.network().additional_ips(0).ip() == "fd00::2");
  CHECK(status.linux().namespaces().options().pid() == v1::CONTAINER);
  auto stopped = pod_record();
  stopped.state = engine::PodState::not_ready;
  CHECK(to_status(stopped).network().ip().empty());
}

TEST_CASE("a container's status tells times, reason, mounts, user, resources", "[cri]") {
  engine::ImageRecord image;
  image.id = "sha256:11";
  image.repo_tags = {"docker.io/library/nginx:1"};
  image.repo_digests = {"docker.io/library/nginx@sha256:22"};
  const auto status = to_status(container_record(), &image);
  CHECK(status.image_id() == "sha256:11");
  CHECK(status.image_ref() == "docker.io/library/nginx@sha256:22");
  CHECK(status.image().image() == "docker.io/library/nginx:1");
  CHECK(status.exit_code() == 137);
  CHECK(status.reason() == "OOMKilled");
  REQUIRE(status.mounts_size() == 1);
  CHECK(status.mounts(0).host_path() == "/var/lib/kubelet/x");
  CHECK(status.user().linux().uid() == 1000);
  CHECK(status.resources().linux().cpu_shares() == 512);
  CHECK(status.stop_signal() == v1::SIGNAL_SIGRTMINPLUS3);
  CHECK(to_status(container_record(), nullptr).image_ref() == "sha256:11");
}

TEST_CASE("signals survive both ways", "[cri]") {
  for (int i = v1::Signal_MIN; i <= v1::Signal_MAX; ++i) {
    const auto name = from_proto(static_cast<v1::Signal>(i));
    REQUIRE(name.ok());
    CHECK(to_signal(name.value()) == i);
  }
  CHECK(to_signal("TERM") == v1::SIGNAL_SIGTERM);
}

TEST_CASE("an image's user is a uid or a name, never a wrapped number", "[cri]") {
  engine::ImageRecord image;
  const auto with_user = [&](const char* user) {
    image.config.user = user;
    return to_proto(image);
  };
  CHECK(with_user("1000:1000").uid().value() == 1000);
  CHECK(with_user("0").has_uid());
  CHECK(with_user("web:web").username() == "web");
  CHECK_FALSE(with_user("").has_uid());
  for (const char* wrong : {"4294967296", "4294967295", "-1", "99999999999999999999", "10x"}) {
    CHECK_FALSE(with_user(wrong).has_uid());
    CHECK(with_user(wrong).username() == wrong);
  }
}

TEST_CASE("filters: prefix, state, every label", "[cri]") {
  const auto pod = pod_record();
  v1::PodSandboxFilter filter;
  CHECK(matches(filter, pod));
  filter.set_id("abc");
  CHECK(matches(filter, pod));
  filter.mutable_state()->set_state(v1::SANDBOX_READY);
  (*filter.mutable_label_selector())["app"] = "web";
  CHECK(matches(filter, pod));
  (*filter.mutable_label_selector())["tier"] = "back";
  CHECK_FALSE(matches(filter, pod));
  filter.clear_label_selector();
  filter.mutable_state()->set_state(v1::SANDBOX_NOTREADY);
  CHECK_FALSE(matches(filter, pod));
  filter.clear_state();
  filter.set_id("bc");
  CHECK_FALSE(matches(filter, pod));

  const auto container = container_record();
  v1::ContainerFilter containers;
  containers.set_pod_sandbox_id("abc");
  containers.mutable_state()->set_state(v1::CONTAINER_EXITED);
  CHECK(matches(containers, container));
  containers.mutable_state()->set_state(v1::CONTAINER_RUNNING);
  CHECK_FALSE(matches(containers, container));
  containers.clear_state();
  containers.set_pod_sandbox_id("x");
  CHECK_FALSE(matches(containers, container));
}

TEST_CASE("verbose JSON hides variables' values, inspect shows them", "[cri]") {
  const auto hidden = to_json(container_record(), Secrets::hide);
  CHECK_THAT(hidden, Contains("TOKEN") && !Contains("s3cret"));
  CHECK_THAT(to_json(container_record(), Secrets::show), Contains("TOKEN=s3cret"));
  auto pod = pod_record();
  pod.network_result = "{\"ips\":[]}";
  pod.spec.hostname = "\xff";  // no UTF-8: the text stays JSON
  CHECK_THAT(to_json(pod), Contains("\"ips\": []") && Contains("\xef\xbf\xbd"));
}

TEST_CASE("errors become statuses; of a pull's an unavailable registry and an unaccepted signature change their code", "[cri]") {
  const auto status = to_status(fail(Code::failed_precondition, "bad \xff byte"));
  CHECK(status.error_code() == grpc::StatusCode::FAILED_PRECONDITION);
  CHECK(status.error_message() == "bad ? byte");
  CHECK(to_status(fail(Code::internal, "{}", std::string(10000, 'x'))).error_message().size() <= 4100);
  const Error pull = as_pull_error(fail(Code::unavailable, "GET https://r/v2/: Connection refused"));
  CHECK(pull.code == Code::unknown);
  CHECK_THAT(pull.message, Catch::StartsWith("RegistryUnavailable"));
  const Error refused = as_pull_error(fail(Code::aborted, "image 'r/a:1': it is rejected"));
  CHECK(refused.code == Code::unknown);
  CHECK(refused.message == "SignatureValidationFailed: image 'r/a:1': it is rejected");
  CHECK(as_pull_error(fail(Code::not_found, "x")).code == Code::not_found);
}

TEST_CASE("statistics leave the rate for the kubelet", "[cri]") {
  engine::ContainerUsage usage;
  usage.container = container_record();
  usage.timestamp = 9;
  usage.cgroup.cpu.usage_usec = 11;
  cgroups::Memory& memory = usage.cgroup.memory.emplace();
  memory.current = 1000;
  memory.max = 5000;
  memory.stat.inactive_file = 300;
  const auto out = to_stats(usage);
  CHECK(out.cpu().timestamp() == 9);
  CHECK(out.cpu().usage_core_nano_seconds().value() == 11000);
  CHECK_FALSE(out.cpu().has_usage_nano_cores());
  CHECK_FALSE(out.cpu().has_psi());
  CHECK(out.memory().working_set_bytes().value() == 700);
  CHECK(out.memory().available_bytes().value() == 4300);
  CHECK_FALSE(out.has_writable_layer());
  CHECK(out.attributes().metadata().name() == "app");
}

TEST_CASE("pressure is told in nanoseconds, of cpu, memory and io", "[cri]") {
  engine::ContainerUsage usage;
  usage.cgroup.cpu_pressure = cgroups::Pressure{{1.5, 2.5, 3.5, 7}, cgroups::PressureLine{0, 0, 0, 5}};
  usage.cgroup.memory_pressure = cgroups::Pressure{{0, 0, 0, 8}, std::nullopt};
  usage.cgroup.io_pressure = cgroups::Pressure{{0, 0, 0, 9}, std::nullopt};
  const auto out = to_stats(usage);
  CHECK(out.cpu().psi().some().total() == 7000);
  CHECK(out.cpu().psi().some().avg300() == 3.5);
  CHECK(out.cpu().psi().full().total() == 5000);
  CHECK(out.memory().psi().some().total() == 8000);
  CHECK_FALSE(out.memory().has_working_set_bytes());  // no memory controller: not known
  CHECK_FALSE(out.swap().has_swap_usage_bytes());
  CHECK(out.io().psi().some().total() == 9000);
}

TEST_CASE("statistics of a pod: cpu, memory, processes, links, containers", "[cri]") {
  engine::PodUsage usage;
  usage.pod = pod_record();
  usage.timestamp = 9;
  usage.cgroup.cpu.usage_usec = 5;
  usage.processes = 4;
  usage.links = {{.name = "net1", .rx_bytes = 1}, {.name = "eth0", .rx_bytes = 2, .rx_errors = 3, .tx_bytes = 4, .tx_errors = 5}};
  usage.containers.emplace_back().container = container_record();
  const auto out = to_stats(usage);
  CHECK(out.attributes().id() == usage.pod.id);
  CHECK(out.attributes().metadata().name() == usage.pod.spec.metadata.name);
  CHECK(out.linux().cpu().usage_core_nano_seconds().value() == 5000);
  CHECK(out.linux().process().process_count().value() == 4);
  CHECK(out.linux().network().interfaces_size() == 2);
  CHECK(out.linux().network().default_interface().name() == "eth0");
  CHECK(out.linux().network().default_interface().rx_bytes().value() == 2);
  CHECK(out.linux().network().default_interface().tx_errors().value() == 5);
  CHECK(out.linux().containers_size() == 1);
  usage.links.clear();
  CHECK_FALSE(to_stats(usage).linux().has_network());
}

TEST_CASE("an exec's output is cut to what the kubelet takes", "[cri]") {
  const auto sizes = [](std::size_t out, std::size_t err) {
    const auto reply = to_proto(engine::ExecOutput{std::string(out, 'o'), std::string(err, 'e'), 3});
    CHECK(reply.exit_code() == 3);
    CHECK(reply.ByteSizeLong() <= kMessageLimit);
    return std::pair(reply.stdout().size(), reply.stderr().size());
  };
  constexpr std::size_t kMiB = 1 << 20, kRoom = 16 * kMiB - 1024;
  CHECK(sizes(3, 4) == std::pair<std::size_t, std::size_t>(3, 4));
  CHECK(sizes(16 * kMiB, 5) == std::pair<std::size_t, std::size_t>(kRoom - 5, 5));
  CHECK(sizes(5, 16 * kMiB) == std::pair<std::size_t, std::size_t>(5, kRoom - 5));
  CHECK(sizes(16 * kMiB, 16 * kMiB) == std::pair<std::size_t, std::size_t>(kRoom / 2, kRoom / 2));
}
