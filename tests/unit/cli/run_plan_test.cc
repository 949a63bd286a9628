// `slipctl run`'s flags as CRI requests.
#include "cli/run_plan.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "cri/from_proto.h"

using namespace slipway;
using namespace slipway::cli;
using Catch::Contains;

namespace {

const std::string kUid = "0123456789abcdef0123456789abcdef";

RunPlan plan(const RunOptions& options) {
  auto result = plan_run(options, kUid);
  REQUIRE(result.ok());
  return std::move(result).take();
}

void check_refused(const RunOptions& options, const char* words) {
  const auto result = plan_run(options, kUid);
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Code::invalid_argument);
  CHECK_THAT(result.error().message, Contains(words));
}

RunOptions options_for(const char* image) {
  RunOptions options;
  options.image = image;
  return options;
}

}  // namespace

TEST_CASE("the plain run is confined and named after its image", "[cli]") {
  const auto p = plan(options_for("127.0.0.1:5000/Lib/Nginx_x:1.2@sha256:00"));
  CHECK(p.pod.metadata().name() == "nginx-x-01234");
  CHECK(p.pod.hostname() == "nginx-x-01234");
  CHECK(p.pod.log_directory() == "/var/log/pods/default_nginx-x-01234_" + kUid);
  CHECK(p.container.log_path() == "nginx-x-01234/0.log");
  const auto& security = p.container.linux().security_context();
  CHECK(security.seccomp().profile_type() == v1::SecurityProfile::RuntimeDefault);
  CHECK(security.masked_paths_size() > 5);
  CHECK(security.namespace_options().pid() == v1::CONTAINER);
  CHECK_FALSE(security.privileged());
  CHECK(p.container.args_size() == 0);
}

TEST_CASE("slipwayd takes every plan", "[cli]") {
  auto options = options_for("busybox");
  options.command = {"sh", "-c", "true"};
  options.ports = {"8080:80"};
  options.volumes = {"/srv:/data:ro"};
  options.user = "1000:1000";
  const auto p = plan(options);
  v1::RunPodSandboxRequest request;
  *request.mutable_config() = p.pod;
  CHECK(cri::from_proto(request).ok());
  auto container = p.container;
  container.mutable_image()->set_image("sha256:1");
  CHECK(cri::from_proto(container).ok());
}

TEST_CASE("limits become CRI's resources", "[cli]") {
  auto options = options_for("a");
  options.memory = "512m";
  options.cpus = "1.5";
  options.pids = "1024";
  const auto resources = plan(options).container.linux().resources();
  CHECK(resources.memory_limit_in_bytes() == 536870912);
  CHECK(resources.cpu_period() == 100000);
  CHECK(resources.cpu_quota() == 150000);
  CHECK(resources.cpu_shares() == 1536);
  CHECK(resources.unified().at("pids.max") == "1024");
}

TEST_CASE("ports, volumes, environment, user, labels", "[cli]") {
  auto options = options_for("a");
  options.ports = {"8080:80", "127.0.0.1:53:5353/udp", "[::1]:1:2"};
  options.volumes = {"/a:/b", "/c:/d:ro"};
  ::setenv("SLIPCTL_TEST_VARIABLE", "from here", 1);
  options.environment = {"A=b=c", "SLIPCTL_TEST_VARIABLE", "SLIPCTL_TEST_ABSENT", "EMPTY="};
  options.user = "web";
  options.labels = {"tier=front=1"};
  const auto p = plan(options);
  CHECK(p.pod.port_mappings(1).protocol() == v1::UDP);
  CHECK(p.pod.port_mappings(1).host_ip() == "127.0.0.1");
  CHECK(p.pod.port_mappings(1).container_port() == 5353);
  CHECK(p.pod.port_mappings(2).host_ip() == "::1");
  CHECK_FALSE(p.container.mounts(0).readonly());
  CHECK(p.container.mounts(1).readonly());
  REQUIRE(p.container.envs_size() == 3);
  CHECK(p.container.envs(0).value() == "b=c");
  CHECK(p.container.envs(1).value() == "from here");
  CHECK(p.container.envs(2).value().empty());
  CHECK(p.container.linux().security_context().run_as_username() == "web");
  CHECK(p.pod.labels().at("tier") == "front=1");
}

TEST_CASE("privileged and the host's network", "[cli]") {
  auto options = options_for("a");
  options.privileged = true;
  options.network = "host";
  const auto p = plan(options);
  CHECK(p.pod.hostname().empty());
  CHECK(p.pod.linux().security_context().privileged());
  CHECK(p.pod.linux().security_context().namespace_options().network() == v1::NODE);
  CHECK(p.container.linux().security_context().seccomp().profile_type() == v1::SecurityProfile::Unconfined);
  CHECK(p.container.linux().security_context().masked_paths_size() == 0);
}

TEST_CASE("flags that cannot be are refused by name", "[cli]") {
  auto options = options_for("a");
  SECTION("port") {
    options.ports = {"80"};
    check_refused(options, "--publish: '80'");
  }
  SECTION("port number") {
    options.ports = {"0:80"};
    check_refused(options, "--publish: '0'");
  }
  SECTION("protocol") {
    options.ports = {"1:2/icmp"};
    check_refused(options, "protocol 'icmp'");
  }
  SECTION("port on the host's network") {
    options.ports = {"1:2"};
    options.network = "host";
    check_refused(options, "--publish");
  }
  SECTION("relative volume") {
    options.volumes = {"a:/b"};
    check_refused(options, "--volume: 'a:/b'");
  }
  SECTION("volume mode") {
    options.volumes = {"/a:/b:x"};
    check_refused(options, "--volume");
  }
  SECTION("cpus") {
    options.cpus = "lots";
    check_refused(options, "--cpus: 'lots'");
    options.cpus = "nan";
    check_refused(options, "--cpus: 'nan'");
  }
  SECTION("pids") {
    options.pids = "0";
    check_refused(options, "--pids: '0'");
  }
  SECTION("user") {
    options.user = "web:web";
    check_refused(options, "--user");
  }
  SECTION("huge uid") {
    options.user = "4294967296";
    check_refused(options, "--user");
  }
  SECTION("name") {
    options.name = "Web_1";
    check_refused(options, "--name: 'Web_1'");
  }
  SECTION("env") {
    options.environment = {"=x"};
    check_refused(options, "--env");
  }
  SECTION("label") {
    options.labels = {"x"};
    check_refused(options, "--label");
  }
}

TEST_CASE("sizes are read with their units", "[cli]") {
  CHECK(parse_bytes("1").value() == 1);
  CHECK(parse_bytes("2k").value() == 2048);
  CHECK(parse_bytes("3Mi").value() == 3145728);
  CHECK(parse_bytes("1GiB").value() == 1073741824);
  for (const char* wrong : {"", "m", "-1", "1x", "1.5g", "0", "99999999999999999999", "9223372036854775807k"})
    CHECK_FALSE(parse_bytes(wrong).ok());
}
