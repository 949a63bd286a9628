// What the next slipwayd finds: living monitors adopted with nothing lost, dead ones told, intents undone.
#include <catch2/catch.hpp>

#include <filesystem>

#include "engine/record_codec.h"
#include "engine/store.h"
#include "tests/unit/engine/fakes.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::engine;
using namespace slipway::engine::test;
using slipway::test::TempDir;
using namespace std::chrono_literals;

namespace {

struct Node {
  TempDir dir;
  FakeHost host;
  std::unique_ptr<Engine> engine;
  std::string pod, container;

  Node() {
    start();
    pod = engine->run_pod(web_pod()).take();
    container = engine->create_container(pod, web_container()).take();
    if (!engine->start_container(container).ok()) FAIL("start");
  }
  void start(const std::string& boot_id = "boot-1") {
    auto opened = host.open(dir.path, boot_id);
    if (!opened.ok()) FAIL(opened.error().message);
    engine = std::move(opened).take();
  }
  ContainerRecord record() { return engine->find_container(container).take(); }
};

}  // namespace

TEST_CASE("two slipwayds cannot work on one root", "[engine]") {
  Node n;
  const auto second = n.host.open(n.dir.path);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == Code::failed_precondition);
}

TEST_CASE("a living pod is adopted and goes on", "[engine]") {
  Node n;
  n.engine.reset();
  n.start();
  CHECK(n.record().state == ContainerState::running);
  CHECK(n.engine->find_pod(n.pod).value().state == PodState::ready);
  REQUIRE(n.engine->stop_container(n.container, 5s).ok());
  CHECK(n.record().exit_code == 143);
  REQUIRE(n.engine->remove_pod(n.pod).ok());
  CHECK(n.host.living_monitors() == 0);
}

TEST_CASE("a monitor that lives and does not answer is not lost: it is asked again", "[engine]") {
  Node n;
  n.engine.reset();
  n.host.faults.arm("adopt", 2);
  n.start();
  CHECK(n.record().state == ContainerState::running);
  CHECK(n.engine->find_pod(n.pod).value().state == PodState::ready);
  CHECK(eventually([&] { return n.host.faults.calls("adopt") == 3; }));
  CHECK(eventually([&] { return n.engine->stop_container(n.container, 5s).ok() && n.record().exit_code == 143; }));
  CHECK(n.host.living_monitors() == 1);
}

TEST_CASE("a pod whose monitor does not answer can be stopped and removed", "[engine]") {
  Node n;
  n.engine.reset();
  n.host.faults.arm("adopt", 1000);
  n.start();
  REQUIRE(n.engine->stop_pod(n.pod).ok());
  CHECK(n.record().state == ContainerState::exited);
  CHECK(n.record().exit_code == 137);
  CHECK(n.engine->remove_pod(n.pod).ok());
  CHECK(n.host.cgroups.empty());
  n.host.faults.arm("adopt", 0);
}

TEST_CASE("an exit while no slipwayd ran is told afterwards, once", "[engine]") {
  Node n;
  n.engine.reset();
  n.host.monitor(n.pod)->exit(n.container, 3);
  CHECK(n.host.monitor(n.pod)->kept_events() == 1);
  n.start();
  CHECK(n.record().state == ContainerState::exited);
  CHECK(n.record().exit_code == 3);
  CHECK(n.host.monitor(n.pod)->kept_events() == 0);
}

TEST_CASE("a monitor that died while slipwayd ran: MonitorLost, not ready, network given back", "[engine]") {
  Node n;
  n.host.lose(n.pod);
  CHECK(eventually([&] { return n.engine->find_pod(n.pod).value().state == PodState::not_ready; }));
  CHECK(n.engine->find_pod(n.pod).value().reason == "MonitorLost");
  CHECK(n.record().reason == "MonitorLost");
  CHECK(n.record().exit_code == 137);
  CHECK(eventually([&] { return n.host.network.held() == 0; }));
  CHECK(n.engine->remove_pod(n.pod).ok());
  CHECK(std::filesystem::is_empty(n.dir.path + "/run/pods"));
}

TEST_CASE("of a dead monitor the exit record on disk counts", "[engine]") {
  Node n;
  n.engine.reset();
  n.host.monitor(n.pod)->dead = true;
  monitor::ExitRecord exit;
  exit.set_code(5);
  exit.set_finished_at(1234);
  const std::string directory = n.dir.path + "/run/pods/" + n.pod + "/containers/" + n.container;
  REQUIRE(std::filesystem::is_directory(directory));
  const std::string text = exit.SerializeAsString();
  FILE* file = std::fopen((directory + "/exit").c_str(), "w");
  REQUIRE(std::fwrite(text.data(), 1, text.size(), file) == text.size());
  std::fclose(file);
  n.start();
  CHECK(n.record().exit_code == 5);
  CHECK(n.record().finished_at == 1234);
  CHECK(n.record().reason == "Error");
  CHECK(n.engine->find_pod(n.pod).value().reason == "MonitorLost");
}

TEST_CASE("an exec that waits learns that the monitor is gone", "[engine]") {
  Node n;
  std::thread loser;
  n.host.monitor(n.pod)->on_exec = [&](FakeMonitor&, const monitor::Exec&, const std::vector<int>&) {
    loser = std::thread([&] { n.host.lose(n.pod); });
  };
  const auto output = n.engine->exec_sync(n.container, {"x"}, 0s);
  loser.join();
  REQUIRE_FALSE(output.ok());
  CHECK(output.error().code == Code::unavailable);
}

TEST_CASE("after a reboot everything has ended and addresses are given back", "[engine]") {
  Node n;
  n.engine.reset();
  n.host.monitor(n.pod)->dead = true;
  n.start("boot-2");
  CHECK(n.engine->find_pod(n.pod).value().state == PodState::not_ready);
  CHECK(n.record().state == ContainerState::exited);
  CHECK(n.record().exit_code == 255);
  CHECK(eventually([&] { return n.host.network.held() == 0; }));
  CHECK(n.engine->remove_pod(n.pod).ok());
}

TEST_CASE("a DEL that is owed survives a restart", "[engine]") {
  Node n;
  n.host.faults.arm("detach", 1);
  CHECK_FALSE(n.engine->stop_pod(n.pod).ok());
  n.host.faults.arm("detach", 0);
  n.engine.reset();
  n.start();
  CHECK(eventually([&] { return n.host.network.held() == 0; }));
}

TEST_CASE("intents without a commit are undone by id", "[engine]") {
  Node n;
  n.engine.reset();
  {
    PodEvents events;
    auto store = Store::open(n.dir.path + "/lib/slipway.db", events).take();
    PodRecord pod;
    pod.id = std::string(64, 'e');
    pod.cgroup = "/slipway/" + pod.id;
    pod.network_up = true;
    pod.boot_id = "boot-1";
    REQUIRE(store->begin(pod).ok());
    ContainerRecord half;
    half.id = std::string(64, 'f');
    half.pod_id = n.pod;
    half.cgroup = "/slipway/" + n.pod + "/" + half.id;
    auto database = Database::open(n.dir.path + "/lib/slipway.db").take();  // as a slipwayd before ADR 33 left it
    REQUIRE(database->put(Table::containers, {half.id, false, to_json(half)}).ok());
    std::filesystem::create_directories(n.dir.path + "/run/pods/" + pod.id + "/containers");
    std::filesystem::create_directories(n.dir.path + "/run/pods/" + n.pod + "/containers/" + half.id);
    REQUIRE(n.host.images.prepare_root(n.host.images.image, half.id).ok());
    n.host.cgroups.insert(pod.cgroup);
    n.host.cgroups.insert(half.cgroup);
  }
  n.start();
  CHECK(n.host.faults.calls("detach") == 1);
  CHECK(n.host.images.roots() == std::vector<std::string>{n.container});
  CHECK(n.host.cgroups == std::set<std::string>{"/slipway/" + n.pod.substr(0, 40), "/slipway-monitors/" + n.pod});
  CHECK_FALSE(std::filesystem::exists(n.dir.path + "/run/pods/" + std::string(64, 'e')));
  CHECK_FALSE(std::filesystem::exists(n.dir.path + "/run/pods/" + n.pod + "/containers/" + std::string(64, 'f')));
  CHECK(n.engine->snapshot()->pods.size() == 1);
  CHECK(n.record().state == ContainerState::running);
}

TEST_CASE("a writable layer and a bundle without a record go", "[engine]") {
  Node n;
  n.engine.reset();
  const std::string bundles = n.dir.path + "/run/pods/" + n.pod + "/containers/";
  REQUIRE(n.host.images.prepare_root(n.host.images.image, "left-over").ok());
  std::filesystem::create_directories(bundles + "left-over/rootfs");
  n.start();
  CHECK(n.host.images.roots() == std::vector<std::string>{n.container});
  CHECK_FALSE(std::filesystem::exists(bundles + "left-over"));
  CHECK(std::filesystem::exists(bundles + n.container));
}

TEST_CASE("what a loss of power left without a record is given back: network, directory", "[engine]") {
  Node n;
  const std::string lost(64, 'd'), half(64, 'e');
  n.engine.reset();
  {
    PodEvents events;
    auto store = Store::open(n.dir.path + "/lib/slipway.db", events).take();
    PodRecord pod;  // of its two commits only the first one reached the disk
    pod.id = half;
    pod.cgroup = "/slipway/" + pod.id;
    pod.boot_id = "boot-1";
    REQUIRE(store->begin(pod).ok());
  }
  n.host.network.hold(lost);
  n.host.network.hold(half);
  std::filesystem::create_directories(n.dir.path + "/run/pods/" + lost + "/containers/" + std::string(64, 'c'));
  n.host.monitor(n.pod)->dead = true;
  n.host.faults.arm("detach_owed", 1);
  n.start("boot-2");
  CHECK_FALSE(std::filesystem::exists(n.dir.path + "/run/pods/" + lost));
  CHECK(eventually([&] { return n.host.network.held() == 0; }));  // the first DEL failed and was tried again
  CHECK(n.host.faults.calls("detach_owed") == 3);
}

TEST_CASE("the network of a living pod is not taken for a lost one's", "[engine]") {
  Node n;
  n.engine.reset();
  const int before = n.host.faults.calls("reclaim");
  n.start();
  CHECK(eventually([&] { return n.host.faults.calls("reclaim") > before; }));  // the last thing of a start
  CHECK(n.host.faults.calls("detach_owed") == 0);
  CHECK(n.host.network.held() == 1);
}

namespace {

// What a slipwayd did that was killed in the middle of StartContainer.
std::string half_started(Node& n, monitor::ContainerState::State state) {
  std::string id = n.engine->create_container(n.pod, web_container("second")).take();
  monitor::Request request;
  request.mutable_create()->set_id(id);
  request.mutable_create()->set_cgroup(n.engine->find_container(id).value().cgroup);
  n.engine.reset();
  REQUIRE(n.host.monitor(n.pod)->handle(request, {}).ok());
  if (state == monitor::ContainerState::EXITED) n.host.monitor(n.pod)->exit(id, 137);
  return id;
}

}  // namespace

TEST_CASE("a container that nobody has started yet is no lost one", "[engine]") {
  Node n;
  const std::string id = n.engine->create_container(n.pod, web_container("second")).take();
  n.engine.reset();
  n.start();
  CHECK(n.engine->find_container(id).value().state == ContainerState::created);
  REQUIRE(n.engine->start_container(id).ok());
  CHECK(n.engine->find_container(id).value().state == ContainerState::running);
}

TEST_CASE("a start that was killed half way is gone on with, or begun anew", "[engine]") {
  const auto state = GENERATE(monitor::ContainerState::CREATED, monitor::ContainerState::EXITED);
  Node n;
  const std::string id = half_started(n, state);
  n.start();
  CHECK(n.engine->find_container(id).value().state == ContainerState::created);
  CHECK(n.engine->find_container(id).value().made == (state == monitor::ContainerState::CREATED));
  REQUIRE(n.engine->start_container(id).ok());
  CHECK(n.engine->find_container(id).value().state == ContainerState::running);
  CHECK(n.engine->remove_container(id).ok());
}

TEST_CASE("a monitor that made it later than it was asked for all it has: begun anew", "[engine]") {
  Node n;
  const std::string id = n.engine->create_container(n.pod, web_container("second")).take();
  monitor::Request request;
  request.mutable_create()->set_id(id);
  request.mutable_create()->set_cgroup(n.engine->find_container(id).value().cgroup);
  REQUIRE(n.host.monitor(n.pod)->handle(request, {}).ok());
  REQUIRE(n.engine->start_container(id).ok());
  CHECK(n.engine->find_container(id).value().state == ContainerState::running);
}

TEST_CASE("what a stopped container's killed start had made is taken back", "[engine]") {
  Node n;
  const std::string id = n.engine->create_container(n.pod, web_container("second")).take();
  monitor::Request request;
  request.mutable_create()->set_id(id);
  request.mutable_create()->set_cgroup(n.engine->find_container(id).value().cgroup);
  REQUIRE(n.engine->stop_container(id, 0s).ok());
  n.engine.reset();
  REQUIRE(n.host.monitor(n.pod)->handle(request, {}).ok());
  n.start();
  CHECK(eventually([&] { return !n.host.monitor(n.pod)->knows(id); }));
  CHECK(n.record().state == ContainerState::running);
  CHECK(n.engine->find_container(id).value().exit_code == 137);
}

TEST_CASE("an unmade container ends with its monitor, and with the host", "[engine]") {
  Node n;
  const std::string id = n.engine->create_container(n.pod, web_container("second")).take();
  SECTION("monitor") {
    n.host.lose(n.pod);
    CHECK(eventually([&] { return n.engine->find_container(id).value().state == ContainerState::exited; }));
    CHECK(n.engine->find_container(id).value().reason == "MonitorLost");
  }
  SECTION("host") {
    n.engine.reset();
    n.host.monitor(n.pod)->dead = true;
    n.start("boot-2");
    CHECK(n.engine->find_container(id).value().exit_code == 255);
  }
}

TEST_CASE("what a killed start makes late is ended by RemoveContainer", "[engine]") {
  const bool stopped = GENERATE(false, true);
  Node n;
  const std::string id = n.engine->create_container(n.pod, web_container("second")).take();
  monitor::Request request;
  request.mutable_create()->set_id(id);
  request.mutable_create()->set_cgroup(n.engine->find_container(id).value().cgroup);
  if (stopped) REQUIRE(n.engine->stop_container(id, 0s).ok());
  REQUIRE(n.host.monitor(n.pod)->handle(request, {}).ok());  // after Welcome, which said nothing of it
  const auto removed = n.engine->remove_container(id);
  INFO((removed.ok() ? std::string() : removed.error().message));
  CHECK(removed.ok());
  CHECK_FALSE(n.host.monitor(n.pod)->knows(id));
  CHECK(n.record().state == ContainerState::running);
}
