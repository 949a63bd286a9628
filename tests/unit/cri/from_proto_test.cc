// What a CRI message becomes, and what is refused with which words.
#include "cri/from_proto.h"

#include <catch2/catch.hpp>

using namespace slipway;
using namespace slipway::cri;
using Catch::Contains;

namespace {

v1::RunPodSandboxRequest pod_request() {
  v1::RunPodSandboxRequest request;
  auto* metadata = request.mutable_config()->mutable_metadata();
  metadata->set_name("web");
  metadata->set_uid("u-1");
  metadata->set_namespace_("default");
  metadata->set_attempt(2);
  return request;
}

v1::ContainerConfig container_config() {
  v1::ContainerConfig config;
  config.mutable_metadata()->set_name("app");
  config.mutable_image()->set_image("sha256:11");
  config.mutable_image()->set_user_specified_image("nginx:1");
  return config;
}

template <class T>
void check_refused(const Result<T>& result, const char* field) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Code::invalid_argument);
  CHECK_THAT(result.error().message, Contains(field));
}

}  // namespace

TEST_CASE("a pod's request becomes a PodSpec", "[cri]") {
  auto request = pod_request();
  auto* config = request.mutable_config();
  config->set_hostname("web-0");
  config->set_log_directory("/var/log/pods/x");
  config->mutable_dns_config()->add_servers("10.0.0.10");
  auto* port = config->add_port_mappings();
  port->set_protocol(v1::SCTP);
  port->set_container_port(80);
  port->set_host_port(8080);
  (*config->mutable_labels())["app"] = "web";
  (*config->mutable_annotations())["note"] = "line\nline";
  config->mutable_linux()->set_cgroup_parent("/kubepods/pod1");
  (*config->mutable_linux()->mutable_sysctls())["net.ipv4.ip_forward"] = "1";
  config->mutable_linux()->mutable_overhead()->set_memory_limit_in_bytes(7);
  const auto spec = from_proto(request);
  REQUIRE(spec.ok());
  const auto& value = spec.value();
  CHECK(value.metadata.namespace_ == "default");
  CHECK(value.metadata.attempt == 2);
  CHECK(value.dns.set);
  CHECK(value.port_mappings.at(0).protocol == "sctp");
  CHECK(value.port_mappings.at(0).host_port == 8080);
  CHECK(value.annotations.at("note") == "line\nline");  // byte-identical: the kubelet reads its own back
  CHECK(value.sysctls.at("net.ipv4.ip_forward") == "1");
  CHECK(value.overhead.memory_limit_in_bytes == 7);
}

TEST_CASE("an absent namespace option means POD for each", "[cri]") {
  const auto spec = from_proto(pod_request());
  REQUIRE(spec.ok());
  CHECK(spec.value().security.namespaces.network == engine::NamespaceMode::pod);
  CHECK(spec.value().security.namespaces.pid == engine::NamespaceMode::pod);
  CHECK(spec.value().security.namespaces.ipc == engine::NamespaceMode::pod);
  CHECK_FALSE(spec.value().security.namespaces.userns);
}

TEST_CASE("pods that cannot be are refused by field", "[cri]") {
  auto request = pod_request();
  auto* config = request.mutable_config();
  SECTION("no name") {
    config->mutable_metadata()->clear_name();
    check_refused(from_proto(request), "metadata.name: empty");
  }
  SECTION("no uid") {
    config->mutable_metadata()->clear_uid();
    check_refused(from_proto(request), "metadata.uid: empty");
  }
  SECTION("CNI_ARGS syntax") {
    config->mutable_metadata()->set_name("a;IgnoreUnknown=0");
    check_refused(from_proto(request), "metadata.name");
  }
  SECTION("hostname") {
    config->set_hostname("a b");
    check_refused(from_proto(request), "hostname: 'a b'");
  }
  SECTION("long hostname") {
    config->set_hostname(std::string(65, 'a'));
    check_refused(from_proto(request), "hostname");
  }
  SECTION("log directory") {
    config->set_log_directory("logs");
    check_refused(from_proto(request), "log_directory: 'logs' is not absolute");
  }
  SECTION("dns line") {
    config->mutable_dns_config()->add_searches("a\nnameserver 6.6.6.6");
    check_refused(from_proto(request), "dns_config");
  }
  SECTION("protocol") {
    auto* port = config->add_port_mappings();
    port->set_protocol(static_cast<v1::Protocol>(9));
    check_refused(from_proto(request), "port_mappings.protocol: 9");
  }
  SECTION("windows") {
    config->mutable_windows();
    check_refused(from_proto(request), "windows");
  }
}

TEST_CASE("pods whose ports, sysctls or identity cannot be are refused by field", "[cri]") {
  auto request = pod_request();
  auto* config = request.mutable_config();
  SECTION("port") {
    auto* port = config->add_port_mappings();
    port->set_container_port(70000);
    check_refused(from_proto(request), "port_mappings.container_port: 70000");
  }
  SECTION("sysctl name") {
    (*config->mutable_linux()->mutable_sysctls())["kernel.shm_rmid_forced+kernel.core_pattern"] = "1";
    check_refused(from_proto(request), "sysctls");
  }
  SECTION("sysctl value") {
    (*config->mutable_linux()->mutable_sysctls())["kernel.msgmax"] = "1\nkernel.core_pattern=|/x";
    check_refused(from_proto(request), "kernel.msgmax");
  }
  SECTION("group without user") {
    config->mutable_linux()->mutable_security_context()->mutable_run_as_group()->set_value(5);
    check_refused(from_proto(request), "run_as_group: 5 without run_as_user");
  }
  SECTION("target pid") {
    auto* options = config->mutable_linux()->mutable_security_context()->mutable_namespace_options();
    options->set_pid(v1::TARGET);
    options->set_target_id("x");
    check_refused(from_proto(request), "namespace_options.pid");
  }
  SECTION("network mode") {
    config->mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_network(v1::CONTAINER);
    check_refused(from_proto(request), "namespace_options.network");
  }
  SECTION("user namespace without mappings") {
    config->mutable_linux()->mutable_security_context()->mutable_namespace_options()->mutable_userns_options()->set_mode(v1::POD);
    check_refused(from_proto(request), "userns_options");
  }
}

TEST_CASE("a container's config becomes a ContainerSpec", "[cri]") {
  auto config = container_config();
  config.add_command("/bin/sh");
  config.add_args("-c");
  config.add_args("echo\nhi");
  auto* env = config.add_envs();
  env->set_key("BYTES");
  env->set_value("\xff\x01=x");
  auto* mount = config.add_mounts();
  mount->set_container_path("/data");
  mount->set_host_path("/srv/data");
  mount->set_readonly(true);
  mount->set_recursive_read_only(true);
  config.set_log_path("app/0.log");
  config.set_stop_signal(v1::SIGNAL_SIGRTMINPLUS3);
  config.add_cdi_devices()->set_name("vendor.com/gpu=0");
  auto* security = config.mutable_linux()->mutable_security_context();
  security->mutable_capabilities()->add_drop_capabilities("ALL");
  security->mutable_run_as_user()->set_value(0);
  security->mutable_seccomp()->set_profile_type(v1::SecurityProfile::Localhost);
  security->mutable_seccomp()->set_localhost_ref("p.json");
  (*config.mutable_linux()->mutable_resources()->mutable_unified())["memory.oom.group"] = "1";
  const auto spec = from_proto(config);
  REQUIRE(spec.ok());
  const auto& value = spec.value();
  CHECK(value.user_specified_image == "nginx:1");
  CHECK(value.args.at(1) == "echo\nhi");
  CHECK(value.envs.at(0) == std::pair<std::string, std::string>("BYTES", "\xff\x01=x"));
  CHECK(value.mounts.at(0).recursive_read_only);
  CHECK(value.stop_signal == "SIGRTMIN+3");
  CHECK(value.cdi_devices.at(0) == "vendor.com/gpu=0");
  REQUIRE(value.security.run_as_user.has_value());  // 0 was asked for, which is not "nothing asked"
  CHECK(*value.security.run_as_user == 0);
  CHECK(value.security.seccomp.type == engine::ProfileType::localhost);
  CHECK(value.security.seccomp.localhost_ref == "p.json");
  CHECK(value.resources.unified.at("memory.oom.group") == "1");
}

TEST_CASE("containers that cannot be are refused by field", "[cri]") {
  auto config = container_config();
  SECTION("no name") {
    config.mutable_metadata()->clear_name();
    check_refused(from_proto(config), "metadata.name: empty");
  }
  SECTION("no image") {
    config.mutable_image()->clear_image();
    check_refused(from_proto(config), "image.image: empty");
  }
  SECTION("absolute log") {
    config.set_log_path("/etc/passwd");
    check_refused(from_proto(config), "log_path: '/etc/passwd'");
  }
  SECTION("leaving log") {
    config.set_log_path("a/../../x");
    check_refused(from_proto(config), "log_path");
  }
  SECTION("log line") {
    config.set_log_path("a\nb");
    check_refused(from_proto(config), "log_path");
  }
  SECTION("env name") {
    config.add_envs()->set_key("A=B");
    check_refused(from_proto(config), "envs: 'A=B'");
  }
  SECTION("NUL in env") {
    auto* env = config.add_envs();
    env->set_key("SECRET");
    env->set_value(std::string("s3cr\0t", 6));
    const auto result = from_proto(config);
    check_refused(result, "the value of 'SECRET'");
    CHECK_THAT(result.error().message, !Contains("s3cr"));
  }
  SECTION("NUL in argument") {
    config.add_args(std::string("a\0b", 3));
    check_refused(from_proto(config), "command, args");
  }
}

TEST_CASE("mounts and devices that cannot be are refused by field", "[cri]") {
  auto config = container_config();
  SECTION("mount without source") {
    config.add_mounts()->set_container_path("/x");
    check_refused(from_proto(config), "needs one of host_path and image");
  }
  SECTION("mount without target") {
    config.add_mounts()->set_host_path("/x");
    check_refused(from_proto(config), "mounts.container_path: empty");
  }
  SECTION("recursive read-only of a writable mount") {
    auto* mount = config.add_mounts();
    mount->set_container_path("/x");
    mount->set_host_path("/x");
    mount->set_recursive_read_only(true);
    const auto result = from_proto(config);
    check_refused(result, "mounts.recursive_read_only");
    CHECK_THAT(result.error().message, Catch::StartsWith("RROUnsupported"));
  }
  SECTION("image sub path") {
    auto* mount = config.add_mounts();
    mount->set_container_path("/x");
    mount->mutable_image()->set_image("a");
    check_refused(from_proto(config), "mounts.readonly");
    mount->set_readonly(true);
    mount->set_image_sub_path("../../etc");
    const auto result = from_proto(config);
    check_refused(result, "mounts.image_sub_path");
    CHECK_THAT(result.error().message, Catch::StartsWith("ImageVolumeMountFailed"));
    mount->set_image_sub_path("etc");
    CHECK(from_proto(config).ok());
    mount->add_mount_options("exec");
    check_refused(from_proto(config), "mounts.mount_options: 'exec'");
  }
  SECTION("device letters") {
    auto* device = config.add_devices();
    device->set_host_path("/dev/null");
    device->set_permissions("rwx");
    check_refused(from_proto(config), "devices.permissions: 'rwx'");
  }
}

TEST_CASE("signals, identities and resources that cannot be are refused by field", "[cri]") {
  auto config = container_config();
  SECTION("signal") {
    config.set_stop_signal(static_cast<v1::Signal>(99));
    check_refused(from_proto(config), "stop_signal: 99");
  }
  SECTION("uid beyond 32 bits") {
    config.mutable_linux()->mutable_security_context()->mutable_run_as_user()->set_value(4294967296);
    check_refused(from_proto(config), "run_as_user: 4294967296");
  }
  SECTION("uid of -1") {
    config.mutable_linux()->mutable_security_context()->mutable_run_as_user()->set_value(4294967295);
    check_refused(from_proto(config), "run_as_user");
  }
  SECTION("group without user") {
    config.mutable_linux()->mutable_security_context()->mutable_run_as_group()->set_value(1);
    check_refused(from_proto(config), "run_as_group: 1");
  }
  SECTION("localhost profile without a name") {
    config.mutable_linux()->mutable_security_context()->mutable_seccomp()->set_profile_type(v1::SecurityProfile::Localhost);
    check_refused(from_proto(config), "seccomp.localhost_ref");
  }
  SECTION("limits below none") {
    auto* resources = config.mutable_linux()->mutable_resources();
    resources->set_cpu_quota(-1);
    resources->set_memory_limit_in_bytes(-1);
    resources->set_memory_swap_limit_in_bytes(-1);
    CHECK(from_proto(config).ok());
    resources->set_memory_swap_limit_in_bytes(-9);
    check_refused(from_proto(config), "memory_swap_limit_in_bytes: -9");
    resources->set_memory_limit_in_bytes(-5);
    check_refused(from_proto(config), "memory_limit_in_bytes: -5");
    resources->set_cpu_quota(-7);
    check_refused(from_proto(config), "cpu_quota: -7");
  }
  SECTION("oom_score_adj") {
    config.mutable_linux()->mutable_resources()->set_oom_score_adj(2000);
    check_refused(from_proto(config), "oom_score_adj: 2000");
  }
  SECTION("unified path") {
    (*config.mutable_linux()->mutable_resources()->mutable_unified())["../memory.max"] = "1";
    check_refused(from_proto(config), "unified: '../memory.max'");
  }
}

TEST_CASE("AppArmor: none named, the deprecated form, and the new one, which wins", "[cri]") {
  v1::LinuxContainerSecurityContext context;
  const auto profile = [&context] {
    const auto out = from_proto(context);
    REQUIRE(out.ok());
    return std::pair(out.value().apparmor.type, out.value().apparmor.localhost_ref);
  };
  using Type = engine::ProfileType;
  CHECK(profile() == std::pair(Type::implied, std::string()));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  context.set_apparmor_profile("runtime/default");
  CHECK(profile().first == Type::runtime_default);
  context.set_apparmor_profile("unconfined");
  CHECK(profile().first == Type::unconfined);
  for (const char* wrong : {"localhost/", "strict", "localhost/a\nb"}) {
    context.set_apparmor_profile(wrong);
    CHECK(from_proto(context).error().code == Code::invalid_argument);
  }
  context.set_apparmor_profile("localhost/old");
  CHECK(profile() == std::pair(Type::localhost, std::string("old")));
#pragma GCC diagnostic pop
  context.mutable_apparmor()->set_profile_type(v1::SecurityProfile::Localhost);
  context.mutable_apparmor()->set_localhost_ref("new");
  CHECK(profile() == std::pair(Type::localhost, std::string("new")));
  context.mutable_apparmor()->set_localhost_ref("localhost/new");
  CHECK(profile().second == "new");
}

TEST_CASE("every CRI signal has a name", "[cri]") {
  for (int i = v1::Signal_MIN; i <= v1::Signal_MAX; ++i) {
    const auto name = from_proto(static_cast<v1::Signal>(i));
    REQUIRE(name.ok());
    CHECK((i == 0 ? name.value().empty() : name.value().rfind("SIG", 0) == 0));
  }
}

TEST_CASE("no control character reaches config.json, whichever field it comes in", "[cri][attack]") {
  const auto refused_with = [](const char* field, const auto& change) {
    auto config = container_config();
    change(config);
    check_refused(from_proto(config), field);
  };
  const std::string nul("/x\0y", 4);
  refused_with("image.image", [&](v1::ContainerConfig& c) { c.mutable_image()->set_image(nul); });
  refused_with("image.user_specified_image", [&](v1::ContainerConfig& c) { c.mutable_image()->set_user_specified_image(nul); });
  refused_with("masked_paths", [&](v1::ContainerConfig& c) { c.mutable_linux()->mutable_security_context()->add_masked_paths(nul); });
  refused_with("readonly_paths", [&](v1::ContainerConfig& c) { c.mutable_linux()->mutable_security_context()->add_readonly_paths(nul); });
  refused_with("devices.container_path", [&](v1::ContainerConfig& c) {
    c.add_devices()->set_host_path("/dev/null");
    c.mutable_devices(0)->set_container_path(nul);
  });
  auto request = pod_request();
  request.mutable_config()->add_port_mappings()->set_container_port(80);
  request.mutable_config()->mutable_port_mappings(0)->set_host_ip("not an address");
  check_refused(from_proto(request), "port_mappings.host_ip");
}
