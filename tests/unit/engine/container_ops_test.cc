// Containers against fakes: create, start, stop, remove, and what goes wrong at each.
#include <future>
#include <thread>

#include "engine/spec/user.h"
#include "oci/parse.h"
#include "sys/file.h"
#include "tests/unit/engine/world.h"

using namespace slipway;
using namespace slipway::engine;
using namespace slipway::engine::test;
using namespace std::chrono_literals;

TEST_CASE("a container that fails at any step leaves the pod as it was", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::size_t cgroups = w.host.cgroups.size();
  w.host.faults.arm("prepare_root");
  CHECK_FALSE(w.engine->create_container(pod, web_container()).ok());
  ContainerSpec missing = web_container();
  missing.mounts = {{.container_path = "/data", .host_path = w.dir.path + "/not-there"}};
  CHECK(w.engine->create_container(pod, missing).error().code == Code::not_found);
  ContainerSpec unknown = web_container();
  unknown.image = "registry.test/none:1";
  CHECK(w.engine->create_container(pod, unknown).error().code == Code::not_found);
  CHECK(w.engine->create_container("nope", web_container()).error().code == Code::not_found);
  CHECK(w.host.images.roots().empty());
  CHECK(w.host.cgroups.size() == cgroups);
  CHECK(w.engine->snapshot()->containers.empty());
  const std::string id = w.container(pod);
  CHECK(w.container(pod) == id);  // the same name and attempt: the same container
  REQUIRE(w.engine->start_container(id).ok());
  CHECK(w.engine->create_container(pod, web_container()).error().code == Code::already_exists);
}

TEST_CASE("the volume of an image that is not here is refused in the kubelet's words", "[engine]") {
  World w;
  ContainerSpec spec = web_container();
  spec.mounts = {{.container_path = "/data", .readonly = true, .image = "registry.test/data:1"}};
  const auto id = w.engine->create_container(w.pod(), spec);
  REQUIRE_FALSE(id.ok());
  CHECK(id.error().code == Code::not_found);
  CHECK_THAT(id.error().message, Catch::StartsWith("ImageVolumeMountFailed"));
  CHECK_THAT(id.error().message, Catch::Contains("registry.test/data:1"));
}

TEST_CASE("an image volume is known by its id, and its layers are held", "[engine]") {
  World w;
  ContainerSpec spec = web_container();
  spec.mounts = {{.container_path = "/data", .readonly = true, .image = "registry.test/web:1", .image_sub_path = "etc"}};
  const std::string pod = w.pod();
  const std::string id = w.container(pod, spec);
  REQUIRE(w.engine->start_container(id).ok());
  CHECK(w.record(id).spec.mounts[0].image == "registry.test/web:1");
  CHECK(w.record(id).spec.mounts[0].image_ref == w.host.images.image.id);
  const auto asked = w.host.monitor(pod)->created();
  REQUIRE(asked.image_volumes_size() == 1);
  CHECK(asked.image_volumes(0).source() == asked.bundle() + "/volumes/0");
  CHECK(asked.image_volumes(0).lower(0) == "/layers/v");
  CHECK(asked.image_volumes(0).sub_path() == "etc");
}

TEST_CASE("an image's endless passwd is an error, not memory", "[engine][attack]") {
  World w;
  w.host.images.files["etc/passwd"] = std::string(kUserFileLimit + 1, 'x');
  CHECK(w.engine->create_container(w.pod(), web_container()).error().code == Code::resource_exhausted);
}

TEST_CASE("a log path stays beneath the pod's directory", "[engine][attack]") {
  World w;
  PodSpec spec = web_pod();
  spec.log_directory = w.dir.path + "/logs";
  const std::string pod = w.engine->run_pod(spec).take();
  for (const char* bad : {"../x", "/etc/x", "a/../../x", ".."}) {
    ContainerSpec container = web_container();
    container.log_path = bad;
    INFO(bad);
    CHECK(w.engine->create_container(pod, container).error().code == Code::invalid_argument);
  }
  ContainerSpec container = web_container();
  container.log_path = "server/0.log";
  CHECK(w.record(w.container(pod, container)).log_path == w.dir.path + "/logs/server/0.log");
  CHECK(std::filesystem::is_directory(w.dir.path + "/logs/server"));
}

TEST_CASE("a start that fails leaves EXITED with StartError and 128", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.container(pod);
  w.host.monitor(pod)->refuse["start"] = Code::not_found;
  const auto started = w.engine->start_container(id);
  REQUIRE_FALSE(started.ok());
  CHECK(w.record(id).state == ContainerState::exited);
  CHECK(w.record(id).reason == "StartError");
  CHECK(w.record(id).exit_code == 128);
  CHECK(w.record(id).finished_at > 0);
  CHECK_THAT(w.record(id).message, Catch::Contains("refuses start"));
  CHECK(w.engine->start_container(id).error().code == Code::failed_precondition);
  CHECK(w.engine->start_container("nope").error().code == Code::not_found);
  CHECK(w.engine->remove_container(id).ok());
}

TEST_CASE("exit codes become reasons", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const auto ended = [&](int code, bool oom) {
    ContainerSpec spec = web_container("c" + std::to_string(code) + (oom ? "o" : ""));
    const std::string id = w.container(pod, spec);
    REQUIRE(w.engine->start_container(id).ok());
    w.host.monitor(pod)->exit(id, code, oom);
    return w.record(id).reason;
  };
  CHECK(ended(0, false) == "Completed");
  CHECK(ended(1, false) == "Error");
  CHECK(ended(137, false) == "Error");
  CHECK(ended(137, true) == "OOMKilled");
}

TEST_CASE("StopContainer: stop signal, grace, SIGKILL; absent and ended are fine", "[engine]") {
  World w;
  w.host.images.image.config.stop_signal = "SIGQUIT";
  const std::string pod = w.pod();
  const std::string obeys = w.running(pod);
  REQUIRE(w.engine->stop_container(obeys, 10s).ok());
  CHECK(w.host.monitor(pod)->sent() == std::vector<std::string>{obeys + ":3"});
  CHECK(w.record(obeys).exit_code == 143);
  CHECK(w.engine->stop_container(obeys, 10s).ok());
  CHECK(w.engine->stop_container("nope", 10s).ok());

  w.host.monitor(pod)->obeys_term = false;
  w.host.monitor(pod)->signals.clear();
  ContainerSpec spec = web_container("stubborn");
  spec.stop_signal = "SIGUSR1";
  const std::string stubborn = w.container(pod, spec);
  REQUIRE(w.engine->start_container(stubborn).ok());
  REQUIRE(w.engine->stop_container(stubborn, 1s).ok());
  CHECK(w.host.monitor(pod)->sent() == std::vector<std::string>{stubborn + ":10", stubborn + ":9:all"});
  CHECK(w.record(stubborn).exit_code == 137);
}

TEST_CASE("a second StopContainer joins, sends nothing again and shortens the grace", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.running(pod);
  w.host.monitor(pod)->obeys_term = false;
  const auto begin = std::chrono::steady_clock::now();
  auto first = std::async(std::launch::async, [&] { return w.engine->stop_container(id, 3600s).ok(); });
  REQUIRE(eventually([&] { return !w.host.monitor(pod)->sent().empty(); }));
  CHECK(w.engine->stop_container(id, 1s).ok());
  CHECK(first.get());
  CHECK(std::chrono::steady_clock::now() - begin < 60s);
  CHECK(w.host.monitor(pod)->sent() == std::vector<std::string>{id + ":15", id + ":9:all"});
}

TEST_CASE("StopPodSandbox ends a StopContainer that waits", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.running(pod);
  w.host.monitor(pod)->obeys_term = false;
  auto first = std::async(std::launch::async, [&] { return w.engine->stop_container(id, 3600s).ok(); });
  REQUIRE(eventually([&] { return !w.host.monitor(pod)->sent().empty(); }));
  CHECK(w.engine->stop_pod(pod).ok());
  CHECK(first.get());
  CHECK(w.record(id).state == ContainerState::exited);
}

TEST_CASE("until its start a container is files alone, and ends without its monitor", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::size_t cgroups = w.host.cgroups.size();
  const std::string id = w.container(pod);
  CHECK(w.record(id).state == ContainerState::created);
  CHECK(w.record(id).pid == 0);
  CHECK_FALSE(w.host.monitor(pod)->knows(id));
  CHECK(w.host.cgroups.size() == cgroups);
  w.restart();
  CHECK(w.record(id).state == ContainerState::created);
  REQUIRE(w.engine->stop_container(id, 30s).ok());
  CHECK(w.host.monitor(pod)->sent().empty());
  CHECK(w.record(id).state == ContainerState::exited);
  CHECK(w.record(id).exit_code == 137);
  CHECK(w.record(id).reason == "Error");
  CHECK(w.record(id).started_at == 0);
  CHECK(w.record(id).finished_at > 0);
  CHECK(w.engine->start_container(id).error().code == Code::failed_precondition);
  CHECK(w.engine->remove_container(id).ok());
  (void)w.container(pod);
  CHECK(w.engine->remove_pod(pod).ok());
  CHECK(w.host.monitor(pod)->sent().empty());
  CHECK(w.nothing_left());
}

TEST_CASE("what its monitor cannot make is EXITED with StartError, and taken back", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.container(pod);
  const std::size_t cgroups = w.host.cgroups.size();
  w.host.monitor(pod)->refuse["create"] = Code::resource_exhausted;
  const auto started = w.engine->start_container(id);
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().code == Code::resource_exhausted);
  CHECK_THAT(started.error().message, Catch::Contains(id) && Catch::Contains("refuses create"));
  CHECK(w.record(id).state == ContainerState::exited);
  CHECK(w.record(id).reason == "StartError");
  CHECK(w.record(id).exit_code == 128);
  CHECK_THAT(w.record(id).message, Catch::Contains("refuses create"));
  CHECK_FALSE(w.host.monitor(pod)->knows(id));
  CHECK(w.host.cgroups.size() == cgroups);
  CHECK(w.engine->remove_container(id).ok());
}

TEST_CASE("a stop in the middle of a start ends it, and nothing of it stays", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.container(pod);
  w.host.monitor(pod)->on_create = [&](FakeMonitor&, const std::string&) { REQUIRE(w.engine->stop_container(id, 30s).ok()); };
  const auto started = w.engine->start_container(id);
  REQUIRE_FALSE(started.ok());
  CHECK_THAT(started.error().message, Catch::Contains("stopped meanwhile"));
  CHECK(w.record(id).exit_code == 137);
  CHECK(w.record(id).reason == "Error");
  CHECK_FALSE(w.host.monitor(pod)->knows(id));
  CHECK(w.engine->remove_container(id).ok());
}

TEST_CASE("a process that dies while it waits for its start is a failed start", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.container(pod);
  w.host.monitor(pod)->on_create = [&](FakeMonitor& monitor, const std::string& made) { monitor.exit(made, 137, true); };
  CHECK_FALSE(w.engine->start_container(id).ok());
  CHECK(w.record(id).reason == "StartError");
  CHECK(w.engine->remove_container(id).ok());
}

TEST_CASE("a target that has ended since is told at the start", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string target = w.running(pod);
  ContainerSpec spec = web_container("debugger");
  spec.security.namespaces.pid = NamespaceMode::target;
  spec.security.namespaces.target_id = target;
  const std::string id = w.container(pod, spec);
  w.host.monitor(pod)->exit(target, 0);
  const auto started = w.engine->start_container(id);
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().code == Code::failed_precondition);
  CHECK_THAT(started.error().message, Catch::Contains("target_id") && Catch::Contains(target));
  CHECK(w.record(id).reason == "StartError");
}

TEST_CASE("who runs in a pod's user namespace is mapped there", "[engine]") {
  World w;
  PodSpec pod = web_pod();
  pod.security.namespaces.userns = true;
  pod.security.namespaces.uid_mappings = pod.security.namespaces.gid_mappings = {{0, 100000, 65536}};
  const std::string id = w.engine->run_pod(pod).take();
  ContainerSpec spec = web_container();
  spec.security.run_as_user = 70000;
  const auto made = w.engine->create_container(id, spec);
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().code == Code::invalid_argument);
  CHECK_THAT(made.error().message, Catch::Contains("user 70000 is not mapped"));
}

TEST_CASE("a running container is removed by force, the pod with it", "[engine]") {
  World w;
  const std::string pod = w.pod();
  CHECK(w.engine->remove_container(w.running(pod)).ok());
  w.running(pod);
  CHECK(w.engine->remove_pod(pod).ok());
  CHECK(w.nothing_left());
}

TEST_CASE("the kubelet's labels and annotations come back as they were, images' labels mean nothing", "[engine][attack]") {
  World w;
  PodSpec spec = web_pod();
  spec.annotations = {{"org.systemd.property.ExecStopPost", "'/bin/sh'"}, {"io.kubernetes.container.hash", "a\"b\\c\n"}};
  const std::string pod = w.engine->run_pod(spec).take();
  CHECK(w.engine->find_pod(pod).value().spec.annotations == spec.annotations);
  ContainerSpec container = web_container();
  container.annotations = spec.annotations;
  const std::string id = w.container(pod, container);
  const auto config =
      oci::parse_spec(sys::read_file(w.dir.path + "/run/pods/" + pod + "/containers/" + id + "/config.json", 1 << 20).take()).take();
  CHECK(config.annotations.count("org.systemd.property.ExecStopPost") == 0);
  for (const auto& [name, value] : config.annotations) CHECK(name.starts_with("io.kubernetes.cri."));
}
