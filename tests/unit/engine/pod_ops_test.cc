// Pods against fakes: what run, stop and remove leave in the records and on the host.
#include <sys/stat.h>

#include <thread>

#include "base/ids.h"
#include "sys/file.h"
#include "tests/unit/engine/world.h"

using namespace slipway;
using namespace slipway::engine;
using namespace slipway::engine::test;
using namespace std::chrono_literals;

TEST_CASE("a pod and a container, from run to remove", "[engine]") {
  World w;
  const std::string pod = w.pod();
  CHECK(is_full_id(pod));
  const PodRecord record = w.engine->find_pod(pod.substr(0, 12)).take();
  CHECK(record.state == PodState::ready);
  CHECK(record.ips == std::vector<std::string>{"10.1.0.2"});
  CHECK(record.cgroup == "/slipway/" + pod.substr(0, 40));
  CHECK(record.created_at > 0);
  std::vector<std::string> stages;
  for (const Stage& stage : record.stages) stages.push_back(stage.name);
  CHECK(stages == std::vector<std::string>{"intent", "cgroup", "monitor", "namespaces", "network", "files"});
  CHECK(record.stages[3].depth == 1);
  CHECK_THAT(sys::read_file(w.dir.path + "/run/pods/" + pod + "/files/hosts", 4096).take(), Catch::Contains("10.1.0.2\tweb"));

  const std::string id = w.running(pod);
  CHECK(w.record(id).state == ContainerState::running);
  CHECK(w.record(id).started_at > 0);
  CHECK(w.record(id).image_id == w.host.images.image.id);
  CHECK(w.record(id).stop_signal == "SIGTERM");
  CHECK(w.record(id).cgroup == "/slipway/" + pod.substr(0, 40) + "/" + id);

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
  threads.reserve(8);
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
  refused([](PodSpec& s) { s.security.namespaces.userns = true; });  // without maps
  refused([](PodSpec& s) {
    s.security.namespaces.userns = true;
    s.security.namespaces.uid_mappings = s.security.namespaces.gid_mappings = {{0, 100000, 65536}};
    s.security.namespaces.network = NamespaceMode::node;
  });
  CHECK(w.nothing_left());
}

TEST_CASE("a prefix finds what only one has", "[engine]") {
  World w;
  const std::string a = w.pod("a");
  CHECK(w.engine->find_pod(a.substr(0, 8)).value().id == a);
  CHECK(w.engine->find_pod("").error().code == Code::not_found);
  CHECK(w.engine->find_pod("zzz").error().code == Code::not_found);
}
