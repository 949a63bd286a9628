// Runtime handlers: names, what they put into a specification, what a configuration that changes leaves of a pod.
#include "engine/runtime_handlers.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "oci/parse.h"
#include "tests/unit/engine/world.h"
#include "tests/unit/slurp.h"

using namespace slipway;
using namespace slipway::engine;
using namespace slipway::engine::test;
using Catch::Contains;

namespace {

RuntimeHandlers with(RuntimeHandler handler) {
  RuntimeHandlers handlers;
  handlers.all.push_back(std::move(handler));
  return handlers;
}

PodSpec pod_of(const std::string& handler, const std::string& name = "web") {
  PodSpec spec = web_pod(name);
  spec.runtime_handler = handler;
  return spec;
}

oci::Spec spec_of(World& w, const std::string& pod, const std::string& container) {
  const auto spec = oci::parse_spec(slipway::test::slurp(w.dir.path + "/run/pods/" + pod + "/containers/" + container + "/config.json"));
  REQUIRE(spec.ok());
  return spec.value();
}

// A runtime that only says which words it was called with.
std::string make_runtime(const std::string& directory, const std::string& body) {
  const std::string path = directory + "/runtime";
  std::ofstream(path) << "#!/bin/sh\n" << body;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  return path;
}

}  // namespace

TEST_CASE("a handler is found by its name, none means the default one", "[engine]") {
  RuntimeHandlers handlers = with({.name = "crun", .binary = "/usr/bin/crun"});
  CHECK(handlers.resolve("").value() == "slipway");
  CHECK(handlers.resolve("slipway").value() == "slipway");
  CHECK(handlers.resolve("crun").value() == "crun");
  handlers.default_name = "crun";
  CHECK(handlers.resolve("").value() == "crun");
  const auto unknown = handlers.resolve("kata");
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.error().code == Code::invalid_argument);
  CHECK(unknown.error().message == "runtime_handler: 'kata' is not configured; there are 'slipway', 'crun'");
}

TEST_CASE("annotations pass by name or by what it begins with", "[engine]") {
  CHECK(lets_through({"a.b"}, "a.b"));
  CHECK_FALSE(lets_through({"a.b"}, "a.bc"));
  CHECK(lets_through({"x", "a.*"}, "a.bc"));
  CHECK_FALSE(lets_through({"a.*"}, "ab.c"));
  CHECK(lets_through({"*"}, "anything"));
  CHECK_FALSE(lets_through({}, "anything"));
  // What runtimes take as commands has to be meant.
  for (const char* name : {"org.systemd.property.CPUAffinity", "org.criu.config", "run.oci.handler"}) {
    CHECK_FALSE(lets_through({"*", "org.*", "org.systemd.*", "run.*", "run.oci*"}, name));
    CHECK(lets_through({name}, name));
  }
  CHECK(lets_through({"org.systemd.property.*"}, "org.systemd.property.CPUAffinity"));
}

TEST_CASE("cgroupsPath is a path, or slice, prefix and name", "[engine]") {
  CHECK(foreign_cgroups_path("/kubepods/pod1/abc") == "/kubepods/pod1/abc");
  CHECK(foreign_cgroups_path("/kubepods.slice/kubepods-pod1.slice/slipway-a-b.scope") == "kubepods-pod1.slice:slipway:a-b");
  CHECK(foreign_cgroups_path("/kubepods.slice/kubepods-pod1.slice/abc") == "/kubepods.slice/kubepods-pod1.slice/abc");
}

TEST_CASE("features are read where they are, and are none in anything else", "[engine]") {
  RuntimeHandler handler;
  read_features(R"({"mountOptions":["ro","rro"],"linux":{}})", handler);
  CHECK(handler.recursive_read_only_mounts);
  for (const char* text : {"", "unknown command features", "[]", "{}", R"({"mountOptions":1})", R"({"mountOptions":["ro"]})"}) {
    RuntimeHandler none;
    read_features(text, none);
    CHECK_FALSE(none.recursive_read_only_mounts);
  }
}

TEST_CASE("a runtime is asked what it can; one that cannot be started is an error", "[engine]") {
  const slipway::test::TempDir dir;
  RuntimeHandler handler{.name = "r"};
  handler.binary =
      make_runtime(dir.path, "case $1 in features) echo '{\"mountOptions\":[\"rro\"]}';; exec) echo '  --cgroup PATH';; esac\n");
  REQUIRE(probe_runtime(handler).ok());
  CHECK(handler.recursive_read_only_mounts);
  CHECK(handler.exec_cgroup);
  handler = {.name = "r"};
  handler.binary = make_runtime(dir.path, "echo 'no such command' >&2; exit 1\n");
  REQUIRE(probe_runtime(handler).ok());
  CHECK_FALSE(handler.recursive_read_only_mounts);
  CHECK_FALSE(handler.exec_cgroup);
  handler.binary = dir.path + "/absent";
  const auto absent = probe_runtime(handler);
  REQUIRE_FALSE(absent.ok());
  CHECK_THAT(absent.error().message, Contains("runtimes.r") && Contains("absent"));
}

TEST_CASE("a handler's binary, annotations and options go to its containers alone", "[engine]") {
  World w;
  RuntimeHandler crun{.name = "crun"};
  crun.binary = "/usr/bin/crun";
  crun.root = w.dir.path + "/crun";
  crun.cgroup_manager = "cgroupfs";
  crun.default_annotations = {{"org.example.a", "default"}, {"org.example.b", "default"}, {"io.kubernetes.cri.sandbox-id", "forged"}};
  crun.pod_annotations = {"org.example.*"};
  crun.container_annotations = {"one"};
  w.host.runtimes = with(crun);
  w.restart();
  PodSpec pod_spec = pod_of("crun");
  pod_spec.annotations = {{"org.example.a", "pod"}, {"com.example.c", "pod"}};
  const auto pod = w.engine->run_pod(pod_spec);
  REQUIRE(pod.ok());
  ContainerSpec wanted = web_container();
  wanted.annotations = {{"one", "1"}, {"two", "2"}};
  const std::string id = w.container(pod.value(), wanted);
  const oci::Spec spec = spec_of(w, pod.value(), id);
  CHECK(spec.annotations.at("org.example.a") == "pod");
  CHECK(spec.annotations.at("org.example.b") == "default");
  CHECK(spec.annotations.at("one") == "1");
  CHECK(spec.annotations.at("io.kubernetes.cri.sandbox-id") == pod.value());
  CHECK(spec.annotations.count("two") + spec.annotations.count("com.example.c") == 0);
  CHECK(w.record(id).runtime.binary == "/usr/bin/crun");

  const std::string own = w.pod("own");
  const std::string plain = w.container(own);
  CHECK(w.record(plain).runtime.binary.empty());
  CHECK(spec_of(w, own, plain).annotations.count("org.example.b") == 0);
}

TEST_CASE("the monitor is told which runtime, and that none is slipway's own", "[engine]") {
  World w;
  w.host.runtimes = with({.name = "r", .binary = "/opt/r", .root = "/run/r", .cgroup_manager = "cgroupfs", .exec_cgroup = true});
  w.restart();
  const auto pod = w.engine->run_pod(pod_of("r"));
  REQUIRE(pod.ok());
  (void)w.running(pod.value());
  const auto sent = w.host.monitor(pod.value())->created();
  REQUIRE(sent.has_runtime());
  CHECK(sent.runtime().binary() == "/opt/r");
  CHECK(sent.runtime().root() == "/run/r");
  CHECK(sent.runtime().exec_cgroup());
  CHECK_FALSE(sent.runtime().systemd_cgroup());
  const std::string own = w.pod("own");
  (void)w.running(own);
  CHECK_FALSE(w.host.monitor(own)->created().has_runtime());
}

TEST_CASE("a pod keeps the handler that it began with", "[engine]") {
  World w;
  w.host.runtimes = with({.name = "r", .binary = "/opt/r", .root = w.dir.path + "/r", .cgroup_manager = "cgroupfs"});
  w.host.runtimes.default_name = "r";
  w.restart();
  const std::string pod = w.pod();
  w.host.runtimes.default_name = kOwnRuntime;
  w.restart();
  CHECK(w.record(w.container(pod)).runtime.binary == "/opt/r");

  // Gone from the configuration: no more containers; those that are there end as ever.
  w.host.runtimes = {};
  w.restart();
  const auto refused = w.engine->create_container(pod, web_container("more"));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::failed_precondition);
  CHECK_THAT(refused.error().message, Contains("'r' is not in the configuration any more"));
  REQUIRE(w.engine->stop_pod(pod).ok());
  REQUIRE(w.engine->remove_pod(pod).ok());
  CHECK(w.nothing_left());
}

TEST_CASE("a removed container is deleted in its runtime, whose state goes even if it will not", "[engine]") {
  const bool works = GENERATE(true, false);
  World w;
  const std::string root = w.dir.path + "/r";
  const std::string words = w.dir.path + "/words";
  RuntimeHandler handler{.name = "r", .root = root, .cgroup_manager = "cgroupfs"};
  handler.binary = make_runtime(w.dir.path, "echo \"$@\" >>" + words + "\nexit " + (works ? "0" : "1") + "\n");
  w.host.runtimes = with(handler);
  w.restart();
  const auto pod = w.engine->run_pod(pod_of("r"));
  REQUIRE(pod.ok());
  const std::string id = w.running(pod.value());
  std::filesystem::create_directories(root + "/" + id);  // as the runtime's create does
  REQUIRE(w.engine->remove_container(id).ok());
  CHECK(slipway::test::slurp(words) == "--root " + root + " delete --force " + id + "\n");
  CHECK(std::filesystem::is_empty(root));
  // One that its runtime does not know is not asked for.
  const std::string other = w.running(pod.value());
  REQUIRE(w.engine->remove_container(other).ok());
  CHECK_THAT(slipway::test::slurp(words), !Contains(other));
}

TEST_CASE("no other runtime is given a pod with a user namespace", "[engine]") {
  World w;
  w.host.runtimes = with({.name = "r", .binary = "/opt/r", .root = "/run/r", .cgroup_manager = "cgroupfs"});
  w.restart();
  PodSpec spec = pod_of("r");
  spec.security.namespaces.userns = true;
  spec.security.namespaces.uid_mappings = spec.security.namespaces.gid_mappings = {{0, 100000, 65536}};
  const auto refused = w.engine->run_pod(spec);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::invalid_argument);
  CHECK_THAT(refused.error().message, Contains("userns_options: runtime handler 'r'"));
  CHECK(w.nothing_left());
}

TEST_CASE("privileged containers may be without the host's devices", "[engine]") {
  World w;
  w.host.runtimes =
      with({.name = "bare", .binary = "/opt/r", .root = w.dir.path, .cgroup_manager = "cgroupfs", .privileged_without_host_devices = true});
  w.restart();
  const auto privileged = [&](const std::string& handler) {
    PodSpec pod = pod_of(handler, "pod-" + handler);
    pod.security.privileged = true;
    const auto id = w.engine->run_pod(pod);
    REQUIRE(id.ok());
    ContainerSpec container = web_container();
    container.security.privileged = true;
    return spec_of(w, id.value(), w.container(id.value(), container));
  };
  const oci::Spec bare = privileged("bare"), all = privileged("slipway");
  CHECK(bare.linux_.devices.empty());
  CHECK_FALSE(bare.linux_.resources->devices.front().allow);
  CHECK_FALSE(all.linux_.devices.empty());
  CHECK(all.linux_.resources->devices.front().allow);
}
