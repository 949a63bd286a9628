// The operations against fakes: what a pod's and a container's life leaves in the records and on the host.
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"
#include "engine/spec/user.h"
#include "oci/parse.h"
#include "sys/file.h"
#include "tests/unit/engine/fakes.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::engine;
using namespace slipway::engine::test;
using slipway::test::TempDir;
using namespace std::chrono_literals;

namespace {

struct World {
  TempDir dir;
  FakeHost host;
  std::unique_ptr<Engine> engine;

  World() { restart(); }
  void restart(const std::string& boot_id = "boot-1") {
    engine.reset();
    auto opened = host.open(dir.path, boot_id);
    if (!opened.ok()) FAIL(opened.error().message);
    engine = std::move(opened).take();
  }
  std::string pod(const std::string& name = "web") {
    const auto id = engine->run_pod(web_pod(name));
    if (!id.ok()) FAIL(id.error().message);
    return id.value();
  }
  std::string container(const std::string& pod_id, ContainerSpec spec = web_container()) {
    const auto id = engine->create_container(pod_id, std::move(spec));
    if (!id.ok()) FAIL(id.error().message);
    return id.value();
  }
  std::string running(const std::string& pod_id) {
    const std::string id = container(pod_id);
    const auto started = engine->start_container(id);
    if (!started.ok()) FAIL(started.error().message);
    return id;
  }
  ContainerRecord record(const std::string& id) { return engine->find_container(id).take(); }
  bool nothing_left() {
    return host.cgroups.empty() && host.living_monitors() == 0 && host.network.held() == 0 && host.images.roots().empty() &&
           std::filesystem::is_empty(dir.path + "/run/pods") && engine->snapshot()->pods.empty() && engine->snapshot()->containers.empty();
  }
};

}  // namespace

TEST_CASE("a pod and a container, from run to remove", "[engine]") {
  World w;
  const std::string pod = w.pod();
  CHECK(is_full_id(pod));
  const PodRecord record = w.engine->find_pod(pod.substr(0, 12)).take();
  CHECK(record.state == PodState::ready);
  CHECK(record.ips == std::vector<std::string>{"10.1.0.2"});
  CHECK(record.cgroup == "/slipway/" + pod);
  CHECK(record.created_at > 0);
  std::vector<std::string> stages;
  for (const Stage& stage : record.stages) stages.push_back(stage.name);
  CHECK(stages == std::vector<std::string>{"intent", "files", "cgroup", "monitor", "namespaces", "network"});
  CHECK(record.stages[4].depth == 1);
  CHECK_THAT(sys::read_file(w.dir.path + "/run/pods/" + pod + "/hosts", 4096).take(), Catch::Contains("10.1.0.2\tweb"));

  const std::string id = w.running(pod);
  CHECK(w.record(id).state == ContainerState::running);
  CHECK(w.record(id).started_at > 0);
  CHECK(w.record(id).image_id == w.host.images.image.id);
  CHECK(w.record(id).stop_signal == "SIGTERM");
  CHECK(w.record(id).cgroup == "/slipway/" + pod + "/" + id);

  w.host.monitor(pod)->exit(id, 0);
  CHECK(w.record(id).state == ContainerState::exited);
  CHECK(w.record(id).reason == "Completed");
  CHECK(w.host.monitor(pod)->kept_events() == 0);  // acknowledged
  CHECK(w.engine->find_pod(pod).value().last_event == 1);

  REQUIRE(w.engine->remove_container(id).ok());
  REQUIRE(w.engine->remove_container(id).ok());
  REQUIRE(w.engine->stop_pod(pod).ok());
  REQUIRE(w.engine->stop_pod(pod).ok());
  CHECK(w.engine->find_pod(pod).value().state == PodState::not_ready);
  REQUIRE(w.engine->remove_pod(pod).ok());
  REQUIRE(w.engine->remove_pod(pod).ok());
  CHECK(w.nothing_left());
}

TEST_CASE("directories and files are nobody else's", "[engine][attack]") {
  const mode_t old = ::umask(0);
  World w;
  const std::string pod = w.pod();
  const std::string id = w.container(pod);
  (void)::umask(old);
  const auto mode = [&](const std::string& path) {
    struct stat st {};
    REQUIRE(::stat((w.dir.path + path).c_str(), &st) == 0);
    return st.st_mode & 0777;
  };
  CHECK(mode("/lib") == 0700);
  CHECK(mode("/run") == 0700);
  CHECK(mode("/run/pods/" + pod) == 0700);
  CHECK(mode("/run/pods/" + pod + "/containers/" + id) == 0700);
  CHECK(mode("/run/pods/" + pod + "/containers/" + id + "/config.json") == 0600);
  CHECK(mode("/lib/slipway.db") == 0600);
}

TEST_CASE("a repeated RunPodSandbox gives the same pod, a stopped one refuses", "[engine]") {
  World w;
  const std::string pod = w.pod();
  CHECK(w.pod() == pod);
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::set<std::string> ids;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto id = w.engine->run_pod(web_pod("many"));
      const std::lock_guard lock(mutex);
      ids.insert(id.ok() ? id.value() : id.error().message);
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(ids.size() == 1);
  CHECK(w.host.faults.calls("monitor") == 2);
  REQUIRE(w.engine->stop_pod(pod).ok());
  CHECK(w.engine->run_pod(web_pod()).error().code == Code::already_exists);
}

TEST_CASE("a pod that fails at any step leaves nothing", "[engine]") {
  for (const char* step : {"cgroup", "monitor", "attach"}) {
    INFO(step);
    World w;
    w.host.faults.arm(step);
    const auto id = w.engine->run_pod(web_pod());
    REQUIRE_FALSE(id.ok());
    CHECK_THAT(id.error().message, Catch::StartsWith("run pod 'default/web"));
    CHECK(w.nothing_left());
    CHECK(w.engine->run_pod(web_pod()).ok());
  }
}

TEST_CASE("a network that cannot be given back leaves the pod not ready until it can", "[engine]") {
  World w;
  w.host.faults.arm("attach");
  w.host.faults.arm("detach", 2);
  REQUIRE_FALSE(w.engine->run_pod(web_pod()).ok());
  REQUIRE(w.engine->snapshot()->pods.size() == 1);
  const std::string id = w.engine->snapshot()->pods.begin()->first;
  CHECK(w.engine->find_pod(id).value().state == PodState::not_ready);
  CHECK(eventually([&] { return w.host.network.held() == 0; }));  // the background does it
  REQUIRE(w.engine->remove_pod(id).ok());
  CHECK(w.nothing_left());
}

TEST_CASE("StopPodSandbox says that DEL failed, and the next call succeeds", "[engine]") {
  World w;
  const std::string pod = w.pod();
  w.host.faults.arm("detach", 1);
  CHECK_FALSE(w.engine->stop_pod(pod).ok());
  CHECK(w.engine->find_pod(pod).value().state == PodState::not_ready);
  CHECK(w.engine->stop_pod(pod).ok());
  CHECK(w.host.network.held() == 0);
  CHECK(w.host.living_monitors() == 0);
}

TEST_CASE("a host network pod needs no network", "[engine]") {
  World w;
  PodSpec spec = web_pod();
  spec.security.namespaces.network = NamespaceMode::node;
  w.host.faults.arm("attach");
  const auto id = w.engine->run_pod(spec);
  REQUIRE(id.ok());
  CHECK(w.host.faults.calls("attach") == 0);
  CHECK(w.host.monitor(id.value())->config().netns_path().empty());
  CHECK(w.host.monitor(id.value())->config().hostname().empty());
  CHECK(w.engine->find_pod(id.value()).value().ips.empty());
  REQUIRE(w.engine->remove_pod(id.value()).ok());
  CHECK(w.nothing_left());
}

TEST_CASE("what a pod may not ask for is refused before anything is made", "[engine][attack]") {
  World w;
  const auto refused = [&](auto change, Code code = Code::invalid_argument) {
    PodSpec spec = web_pod();
    change(spec);
    const auto id = w.engine->run_pod(spec);
    REQUIRE_FALSE(id.ok());
    INFO(id.error().message);
    CHECK(id.error().code == code);
  };
  refused([](PodSpec& s) { s.runtime_handler = "kata"; });
  refused([](PodSpec& s) { s.security.run_as_group = 5; });
  refused([](PodSpec& s) { s.sysctls = {{"kernel.shm_rmid_forced", "1+kernel.core_pattern=|x"}}; });
  refused([](PodSpec& s) { s.cgroup_parent = "relative"; });
  refused([](PodSpec& s) { s.cgroup_parent = "/a/../../b"; });
  refused([](PodSpec& s) { s.hostname = "a\nb"; });
  refused([](PodSpec& s) { s.metadata.name = ""; });
  refused([](PodSpec& s) { s.security.namespaces.userns = true; }, Code::unimplemented);
  CHECK(w.nothing_left());
}

TEST_CASE("a container that fails at any step leaves the pod as it was", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::size_t cgroups = w.host.cgroups.size();
  w.host.faults.arm("prepare_root");
  CHECK_FALSE(w.engine->create_container(pod, web_container()).ok());
  w.host.monitor(pod)->refuse["create"] = Code::internal;
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
  w.host.monitor(pod)->refuse.clear();
  const std::string id = w.container(pod);
  CHECK(w.container(pod) == id);  // the same name and attempt: the same container
  REQUIRE(w.engine->start_container(id).ok());
  CHECK(w.engine->create_container(pod, web_container()).error().code == Code::already_exists);
}

TEST_CASE("an image volume is refused in the kubelet's words", "[engine]") {
  World w;
  ContainerSpec spec = web_container();
  spec.mounts = {{.container_path = "/data", .image = "registry.test/data:1"}};
  const auto id = w.engine->create_container(w.pod(), spec);
  REQUIRE_FALSE(id.ok());
  CHECK(id.error().code == Code::unimplemented);
  CHECK_THAT(id.error().message, Catch::StartsWith("ImageVolumeMountFailed"));
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
  CHECK(w.host.monitor(pod)->signals == std::vector<std::string>{obeys + ":3"});
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
  CHECK(w.host.monitor(pod)->signals == std::vector<std::string>{stubborn + ":10", stubborn + ":9:all"});
  CHECK(w.record(stubborn).exit_code == 137);
}

TEST_CASE("a second StopContainer joins, sends nothing again and shortens the grace", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.running(pod);
  w.host.monitor(pod)->obeys_term = false;
  const auto begin = std::chrono::steady_clock::now();
  std::thread first([&] { CHECK(w.engine->stop_container(id, 3600s).ok()); });
  REQUIRE(eventually([&] { return !w.host.monitor(pod)->signals.empty(); }));
  CHECK(w.engine->stop_container(id, 1s).ok());
  first.join();
  CHECK(std::chrono::steady_clock::now() - begin < 60s);
  CHECK(w.host.monitor(pod)->signals == std::vector<std::string>{id + ":15", id + ":9:all"});
}

TEST_CASE("StopPodSandbox ends a StopContainer that waits", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.running(pod);
  w.host.monitor(pod)->obeys_term = false;
  std::thread first([&] { CHECK(w.engine->stop_container(id, 3600s).ok()); });
  REQUIRE(eventually([&] { return !w.host.monitor(pod)->signals.empty(); }));
  CHECK(w.engine->stop_pod(pod).ok());
  first.join();
  CHECK(w.record(id).state == ContainerState::exited);
}

TEST_CASE("a created container is removed without a signal it could not hear", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.container(pod);
  REQUIRE(w.engine->stop_container(id, 30s).ok());
  CHECK(w.host.monitor(pod)->signals == std::vector<std::string>{id + ":9:all"});
  CHECK(w.engine->remove_container(id).ok());
}

TEST_CASE("a running container is removed by force, the pod with it", "[engine]") {
  World w;
  const std::string pod = w.pod();
  CHECK(w.engine->remove_container(w.running(pod)).ok());
  w.running(pod);
  CHECK(w.engine->remove_pod(pod).ok());
  CHECK(w.nothing_left());
}

TEST_CASE("ExecSync returns both outputs and the exit code", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.running(pod);
  w.host.monitor(pod)->on_exec = [](FakeMonitor& monitor, const monitor::Exec& exec, std::vector<int> fds) {
    REQUIRE(fds.size() == 3);
    const auto process = oci::parse_process(sys::read_fd(FdRef(fds[0]), 1 << 20).take()).take();
    REQUIRE(process.args == std::vector<std::string>{"probe", "--now"});
    REQUIRE(process.user.uid == 0);
    REQUIRE(::write(fds[1], "out", 3) == 3);
    REQUIRE(::write(fds[2], "err", 3) == 3);
    for (const int fd : fds) ::close(fd);
    monitor.exec_exit(exec.id(), 7);
  };
  const auto output = w.engine->exec_sync(id, {"probe", "--now"}, 10s);
  REQUIRE(output.ok());
  CHECK(output.value().out == "out");
  CHECK(output.value().err == "err");
  CHECK(output.value().exit_code == 7);
  CHECK(w.engine->exec_sync(id, {}, 1s).error().code == Code::invalid_argument);
  CHECK(w.engine->exec_sync("nope", {"x"}, 1s).error().code == Code::not_found);
}

TEST_CASE("ExecSync past its time-out kills and says DEADLINE_EXCEEDED", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.running(pod);
  std::vector<int> kept;
  w.host.monitor(pod)->on_exec = [&](FakeMonitor&, const monitor::Exec&, std::vector<int> fds) { kept = std::move(fds); };
  const auto output = w.engine->exec_sync(id, {"sleep"}, 1s);
  REQUIRE_FALSE(output.ok());
  CHECK(output.error().code == Code::deadline_exceeded);
  REQUIRE(w.host.monitor(pod)->signals.size() == 1);
  CHECK_THAT(w.host.monitor(pod)->signals[0], Catch::EndsWith(":9"));
  for (const int fd : kept) ::close(fd);
}

TEST_CASE("a grandchild that holds the pipe does not extend ExecSync", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.running(pod);
  std::vector<int> kept;
  w.host.monitor(pod)->on_exec = [&](FakeMonitor& monitor, const monitor::Exec& exec, std::vector<int> fds) {
    kept = std::move(fds);
    REQUIRE(::write(kept[1], "done", 4) == 4);
    monitor.exec_exit(exec.id(), 0);
  };
  const auto output = w.engine->exec_sync(id, {"daemonise"}, 0s);
  REQUIRE(output.ok());
  CHECK(output.value().out == "done");
  for (const int fd : kept) ::close(fd);
}

TEST_CASE("ExecSync keeps 16 MiB of an endless output and drains the rest", "[engine][attack]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.running(pod);
  std::thread writer;
  w.host.monitor(pod)->on_exec = [&](FakeMonitor& monitor, const monitor::Exec& exec, std::vector<int> fds) {
    writer = std::thread([&monitor, session = exec.id(), fds] {
      const std::string block(1 << 20, 'y');
      for (int i = 0; i < 20; ++i)
        if (!sys::write_all(FdRef(fds[1]), block).ok()) std::abort();
      for (const int fd : fds) ::close(fd);
      monitor.exec_exit(session, 0);
    });
  };
  const auto output = w.engine->exec_sync(id, {"yes"}, 60s);
  writer.join();
  REQUIRE(output.ok());
  CHECK(output.value().out.size() == 16U << 20);
}

TEST_CASE("UpdateContainerResources is a patch, and goes back when it fails", "[engine]") {
  World w;
  ContainerSpec spec = web_container();
  spec.resources.memory_limit_in_bytes = 100 << 20;
  spec.resources.cpu_shares = 512;
  spec.resources.oom_score_adj = 5;
  const std::string id = w.container(w.pod(), spec);
  LinuxResources patch;
  patch.cpuset_cpus = "0-1";
  REQUIRE(w.engine->update_resources(id, patch).ok());
  CHECK(w.record(id).resources.cpuset_cpus == "0-1");
  CHECK(w.record(id).resources.memory_limit_in_bytes == 100 << 20);
  CHECK(w.record(id).resources.cpu_shares == 512);
  CHECK(w.record(id).resources.oom_score_adj == 5);
  CHECK(w.host.faults.calls("oom") == 0);

  patch = {};
  patch.memory_limit_in_bytes = 200 << 20;
  patch.oom_score_adj = 7;
  REQUIRE(w.engine->update_resources(id, patch).ok());
  CHECK(w.host.faults.calls("oom") == 1);
  const auto applied = oci::parse_resources(w.host.applied[w.record(id).cgroup].back()).take();
  CHECK(applied.memory->limit == 200 << 20);
  CHECK(applied.memory->swap == 200 << 20);  // still no swap
  CHECK(applied.memory->check_before_update == true);

  w.host.faults.arm("apply");
  patch.memory_limit_in_bytes = 300 << 20;
  CHECK_FALSE(w.engine->update_resources(id, patch).ok());
  CHECK(w.record(id).resources.memory_limit_in_bytes == 200 << 20);
  CHECK(oci::parse_resources(w.host.applied[w.record(id).cgroup].back()).take().memory->limit == 200 << 20);
}

TEST_CASE("stats and logs are of running containers", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.container(pod);
  CHECK(w.engine->stats(id).error().code == Code::failed_precondition);
  CHECK(w.engine->reopen_log(id).error().code == Code::failed_precondition);
  REQUIRE(w.engine->start_container(id).ok());
  const auto stats = w.engine->stats(id);
  REQUIRE(stats.ok());
  CHECK(stats.value().cpu_usage_nanos == 7000);
  CHECK(stats.value().memory_working_set == 700);
  CHECK(stats.value().memory_available == 4300);
  CHECK(stats.value().writable_layer.used_bytes == 4096);
  CHECK(w.engine->reopen_log(id).ok());
}

TEST_CASE("a prefix finds what only one has", "[engine]") {
  World w;
  const std::string a = w.pod("a");
  CHECK(w.engine->find_pod(a.substr(0, 8)).value().id == a);
  CHECK(w.engine->find_pod("").error().code == Code::not_found);
  CHECK(w.engine->find_pod("zzz").error().code == Code::not_found);
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
