// The engine with real monitors, namespaces, cgroups and containers (root); only images and the network are fakes.
#include <catch2/catch.hpp>

#include <sys/mount.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/ids.h"
#include "cgroups/cgroup.h"
#include "engine/engine.h"
#include "sys/file.h"
#include "sys/process.h"
#include "tests/unit/slurp.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::engine;
using slipway::test::slurp;
using slipway::test::TempDir;
using namespace std::chrono_literals;

namespace {

// One image: busybox in a directory.
class OneImage final : public Images {
 public:
  explicit OneImage(std::string directory) : directory_(std::move(directory)) {
    for (const char* name : {"bin", "etc", "tmp"}) std::filesystem::create_directories(directory_ + "/rootfs/" + name);
    std::filesystem::copy_file("/bin/busybox", directory_ + "/rootfs/bin/busybox");
    for (const char* applet : {"sh", "echo", "cat", "sleep", "id", "hostname", "unshare", "ls", "touch", "true", "grep", "kill"})
      std::filesystem::create_hard_link(directory_ + "/rootfs/bin/busybox", directory_ + "/rootfs/bin/" + applet);
    std::ofstream(directory_ + "/rootfs/etc/passwd") << "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/tmp:/bin/sh\n";
    std::ofstream(directory_ + "/rootfs/etc/group") << "web:x:1000:\nextra:x:2000:web\n";
    image_.id = "sha256:" + std::string(64, 'b');
    image_.config.env = {"PATH=/bin"};
  }
  Result<ImageRecord> pull(const std::string&, const RegistryAuth&, const OnProgress&, const std::stop_token&) override { return image_; }
  Result<std::vector<ImageRecord>> load(const std::string&, const std::string&, const OnProgress&, const std::stop_token&) override {
    return std::vector{image_};
  }
  Result<ImageRecord> find(const std::string&) const override { return image_; }
  std::vector<ImageRecord> list() const override { return {image_}; }
  Result<void> remove(const std::string&) override { return {}; }
  Result<RootLayers> prepare_root(const ImageRecord&, const std::string& id) override {
    const std::string base = directory_ + "/roots/" + id;
    TRY(sys::make_directories(base + "/upper", 0755));
    TRY(sys::make_directories(base + "/work", 0755));
    return RootLayers{{directory_ + "/rootfs"}, base + "/upper", base + "/work"};
  }
  Result<std::vector<std::string>> hold(const ImageRecord&, const std::string&) override { return std::vector<std::string>{"/layers/v"}; }
  Result<RootLayers> root_of(const std::string&) const override { return RootLayers{}; }
  Result<void> remove_root(const std::string& id) override {
    std::filesystem::remove_all(directory_ + "/roots/" + id);
    return {};
  }
  std::vector<std::string> roots() const override {
    std::vector<std::string> ids;
    if (!std::filesystem::exists(directory_ + "/roots")) return ids;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ + "/roots")) ids.push_back(entry.path().filename());
    return ids;
  }
  Result<std::string> read_file(const ImageRecord&, const std::string& path, std::size_t limit) const override {
    return sys::read_file(directory_ + "/rootfs/" + path, limit);
  }
  Result<void> check_path(const ImageRecord&, const std::string&) const override { return {}; }
  Result<FsUsage> usage() const override { return FsUsage{}; }
  Result<FsUsage> root_usage(const std::string&) const override { return FsUsage{}; }

 private:
  std::string directory_;
  ImageRecord image_;
};

// Hands out an address; what it is asked to do is looked at by the tests.
class OneAddress final : public Network {
 public:
  Result<NetworkResult> attach(const NetworkRequest& request) override {
    if (!std::filesystem::exists(request.netns)) return fail(Code::internal, "no network namespace at '{}'", request.netns);
    ++held;
    return NetworkResult{{"10.9.8.7"}, "{}"};
  }
  Result<void> detach(const NetworkRequest&, const std::string&) override {
    --held;
    return {};
  }
  Result<std::vector<std::string>> owed() const override { return std::vector<std::string>{}; }
  Result<void> detach_owed(const std::string&) override { return {}; }
  Result<void> reclaim() override { return {}; }
  Condition ready() const override { return {true, "", ""}; }
  Result<void> set_pod_cidrs(const std::string&) override { return {}; }
  std::atomic<int> held{0};
};

struct Node {
  TempDir dir;
  OneImage images{dir.path};
  OneAddress network;
  std::unique_ptr<Engine> engine;
  std::string parent = "/slipway-test-" + make_id().substr(0, 12);

  Node() { open(); }
  ~Node() {
    engine.reset();
    if (auto root = cgroups::open_root(); root.ok()) (void)cgroups::Cgroup::kill_and_remove(root.value(), parent, 5000);
    (void)::umount2((dir.path + "/netns").c_str(), MNT_DETACH);
  }
  void open() {
    engine.reset();
    EngineOptions options;
    options.root = dir.path + "/lib";
    options.state = dir.path + "/run";
    options.netns_directory = dir.path + "/netns";
    options.monitor_program = SLIPWAY_BINARY_DIR "/bin/slipway-monitor";
    options.cgroup_driver = "cgroupfs";
    auto opened = Engine::open(options, images, network);
    if (!opened.ok()) FAIL(opened.error().message);
    engine = std::move(opened).take();
  }
  std::string pod(const std::function<void(PodSpec&)>& change = {}) {
    PodSpec spec;
    spec.metadata = {"web", "uid", "default", 0};
    spec.hostname = "web-1";
    spec.cgroup_parent = parent;
    spec.log_directory = dir.path + "/logs";
    if (change) change(spec);
    const auto id = engine->run_pod(spec);
    if (!id.ok()) FAIL(id.error().message);
    return id.value();
  }
  ContainerSpec spec(const std::string& script) {
    ContainerSpec spec;
    spec.metadata = {"c" + std::to_string(++count), 0};
    spec.image = "busybox";
    spec.command = {"/bin/sh", "-c", script};
    spec.log_path = spec.metadata.name + ".log";
    spec.security.seccomp.type = ProfileType::runtime_default;
    return spec;
  }
  std::string start(const std::string& pod_id, const ContainerSpec& spec) {
    const auto id = engine->create_container(pod_id, spec);
    if (!id.ok()) FAIL(id.error().message);
    const auto started = engine->start_container(id.value());
    if (!started.ok()) FAIL(started.error().message);
    return id.value();
  }
  ContainerRecord ended(const std::string& id) {
    for (int tries = 0; tries < 4000; ++tries) {
      ContainerRecord record = engine->find_container(id).take();
      if (record.state == ContainerState::exited) return record;
      std::this_thread::sleep_for(5ms);  // lint: allow sleep, because it is the pause of a poll with an end
    }
    FAIL("container " << id << " does not end");
    return {};
  }
  // The pod's state comes after its containers' ends: who is killed in between does both again.
  PodRecord lost(const std::string& id) {
    for (int tries = 0; tries < 4000; ++tries) {
      PodRecord record = engine->find_pod(id).take();
      if (record.state == PodState::not_ready) return record;
      std::this_thread::sleep_for(5ms);  // lint: allow sleep, because it is the pause of a poll with an end
    }
    FAIL("pod " << id << " is not told lost");
    return {};
  }
  // The text of a container's log without times and tags.
  std::string output(const ContainerSpec& spec) {
    std::istringstream log(slurp(dir.path + "/logs/" + spec.log_path));
    std::string text;
    for (std::string line; std::getline(log, line);) {
      std::size_t at = 0;
      for (int word = 0; word < 3; ++word) at = line.find(' ', at) + 1;
      text += line.substr(at) + "\n";
    }
    return text;
  }
  std::string run(const std::string& pod_id, const ContainerSpec& spec, int code = 0) {
    const ContainerRecord record = ended(start(pod_id, spec));
    INFO(record.message);
    CHECK(record.exit_code == code);
    return output(spec);
  }
  void check_clean() {
    CHECK(network.held == 0);
    CHECK(images.roots().empty());
    CHECK(std::filesystem::is_empty(dir.path + "/run/pods"));
    if (std::filesystem::exists(dir.path + "/netns")) CHECK(std::filesystem::is_empty(dir.path + "/netns"));
    CHECK_THAT(slurp("/proc/self/mountinfo"), !Catch::Contains(dir.path + "/run"));
    auto root = cgroups::open_root();
    REQUIRE(root.ok());
    if (std::filesystem::exists(root.value().path + parent))
      for (const auto& entry : std::filesystem::directory_iterator(root.value().path + parent)) CHECK_FALSE(entry.is_directory());
  }
  int count = 0;
};

}  // namespace

TEST_CASE("a real pod: namespaces, files, output, exit code, nothing left", "[root]") {
  Node n;
  const std::string pod = n.pod();
  ContainerSpec spec = n.spec("hostname; cat /etc/hostname; grep 10.9.8.7 /etc/hosts; echo $HOSTNAME; echo oops >&2; exit 3");
  CHECK(n.run(pod, spec, 3) == "web-1\nweb-1\n10.9.8.7\tweb-1\nweb-1\noops\n");
  CHECK_THAT(slurp(n.dir.path + "/logs/" + spec.log_path), Catch::Contains(" stderr F oops"));
  const ContainerRecord record = n.engine->snapshot()->containers.begin()->second;
  CHECK(record.reason == "Error");
  CHECK(record.started_at > record.created_at);
  CHECK(record.finished_at > record.started_at);
  for (const Stage& stage : record.stages) CHECK(stage.start > 0);
  REQUIRE(n.engine->stop_pod(pod).ok());
  REQUIRE(n.engine->remove_pod(pod).ok());
  n.check_clean();
}

TEST_CASE("a real pod: containers share network, IPC, names and /dev/shm, not PIDs", "[root]") {
  Node n;
  const std::string pod = n.pod();
  const std::string script =
      "for k in net ipc uts pid mnt; do ls -l /proc/self/ns/$k | grep -o '\\[.*\\]'; done; touch /dev/shm/here; ls /dev/shm";
  // Both live at once: the kernel gives numbers of ended namespaces to new ones.
  const std::string a = n.start(pod, n.spec("sleep 1000")), b = n.start(pod, n.spec("sleep 1000"));
  std::istringstream one(n.engine->exec_sync(a, {"sh", "-c", script}, 10s).take().out),
      two(n.engine->exec_sync(b, {"sh", "-c", script}, 10s).take().out);
  std::vector<std::string> x, y;
  for (std::string line; std::getline(one, line);) x.push_back(line);
  for (std::string line; std::getline(two, line);) y.push_back(line);
  REQUIRE(x.size() == 6);
  REQUIRE(y.size() == 6);
  for (int shared : {0, 1, 2}) CHECK(x[shared] == y[shared]);
  for (int own : {3, 4}) CHECK(x[own] != y[own]);
  CHECK(x[5] == "here");
  REQUIRE(n.engine->remove_pod(pod).ok());
  n.check_clean();
}

TEST_CASE("a real pod: who it is and what it may", "[root]") {
  Node n;
  const std::string pod = n.pod();
  ContainerSpec spec = n.spec(
      "id -u; id -G; grep -E '^(CapInh|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; echo x > /etc/x || echo read-only; "
      "unshare -n true || echo no unshare; cat /proc/kcore | echo masked; echo $HOME");
  spec.security.run_as_username = "web";
  spec.security.drop_capabilities = {"ALL"};
  spec.security.no_new_privs = true;
  spec.security.readonly_rootfs = true;
  spec.security.masked_paths = {"/proc/kcore"};
  const std::string text = n.run(pod, spec);
  CHECK_THAT(text, Catch::StartsWith("1000\n1000 2000\n"));
  for (const char* line : {"CapInh:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1",
                           "Seccomp:\t2", "read-only", "no unshare", "/tmp\n"}) {
    INFO(line);
    CHECK_THAT(text, Catch::Contains(line));
  }
  REQUIRE(n.engine->remove_pod(pod).ok());
}

TEST_CASE("a real pod survives slipwayd; exec, stop", "[root]") {
  Node n;
  const std::string pod = n.pod();
  const ContainerSpec spec = n.spec("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done");
  const std::string id = n.start(pod, spec);
  const auto first = n.engine->exec_sync(id, {"sh", "-c", "echo out; echo err >&2; exit 9"}, 10s);
  REQUIRE(first.ok());
  CHECK(first.value().out == "out\n");
  CHECK(first.value().err == "err\n");
  CHECK(first.value().exit_code == 9);
  n.open();
  CHECK(n.engine->find_container(id).value().state == ContainerState::running);
  CHECK(n.engine->find_pod(pod).value().state == PodState::ready);
  const auto again = n.engine->exec_sync(id, {"echo", "still"}, 10s);
  REQUIRE(again.ok());
  CHECK(again.value().out == "still\n");
  const auto slow = n.engine->exec_sync(id, {"sleep", "100"}, 1s);
  REQUIRE_FALSE(slow.ok());
  CHECK(slow.error().code == Code::deadline_exceeded);
  const auto grandchild = n.engine->exec_sync(id, {"sh", "-c", "sleep 100 & echo parent"}, 10s);
  REQUIRE(grandchild.ok());
  CHECK(grandchild.value().out == "parent\n");
  const auto missing = n.engine->exec_sync(id, {"/no/such"}, 10s);
  CHECK_FALSE(missing.ok());
  CHECK(n.engine->container_usage(id).value().cgroup.cpu.usage_usec > 0);
  // Its shell and what an exec left behind; the shell's own sleep comes and goes, and what was killed may be on its way out.
  Result<PodUsage> usage = n.engine->pod_usage(pod, UsageDetail::processes);
  for (int i = 0; i < 100 && usage.ok() && usage.value().processes > 3; ++i) {
    std::this_thread::sleep_for(50ms);  // lint: allow sleep, because it is the pause of a poll with an end
    usage = n.engine->pod_usage(pod, UsageDetail::processes);
  }
  REQUIRE(usage.ok());
  CHECK(usage.value().processes >= 2);
  CHECK(usage.value().processes <= 3);
  CHECK(usage.value().files.descriptors >= 3);
  CHECK(usage.value().containers.size() == 1);
  REQUIRE(n.engine->stop_container(id, 10s).ok());
  CHECK(n.ended(id).exit_code == 0);
  CHECK(n.output(spec) == "up\nbye\n");
  REQUIRE(n.engine->remove_pod(pod).ok());
  n.check_clean();
}

TEST_CASE("a real pod: what ends while no slipwayd runs is told", "[root]") {
  Node n;
  const std::string pod = n.pod();
  const std::string id = n.start(pod, n.spec("sleep 0.5; exit 42"));
  n.engine.reset();
  const std::string exit = n.dir.path + "/run/pods/" + pod + "/containers/" + id + "/exit";  // the container ends without us
  for (int tries = 0; tries < 4000 && !std::filesystem::exists(exit); ++tries)
    std::this_thread::sleep_for(5ms);  // lint: allow sleep, because it is the pause of a poll with an end
  REQUIRE(std::filesystem::exists(exit));
  n.open();
  CHECK(n.ended(id).exit_code == 42);
  REQUIRE(n.engine->remove_pod(pod).ok());
  n.check_clean();
}

TEST_CASE("a real start that fails", "[root]") {
  Node n;
  const std::string pod = n.pod();
  ContainerSpec spec = n.spec("");
  spec.command = {"/no/such/program"};
  const auto id = n.engine->create_container(pod, spec);
  REQUIRE(id.ok());
  const auto started = n.engine->start_container(id.value());
  REQUIRE_FALSE(started.ok());
  CHECK_THAT(started.error().message, Catch::Contains("/no/such/program"));
  CHECK(n.engine->find_container(id.value()).value().reason == "StartError");
  CHECK(n.engine->find_container(id.value()).value().exit_code == 128);
  REQUIRE(n.engine->remove_container(id.value()).ok());
  REQUIRE(n.engine->remove_pod(pod).ok());
  n.check_clean();
}

TEST_CASE("a container that was not started is files alone", "[root]") {
  Node n;
  const std::string pod = n.pod();
  const auto id = n.engine->create_container(pod, n.spec("echo here"));
  REQUIRE(id.ok());
  const ContainerRecord record = n.engine->find_container(id.value()).take();
  CHECK(record.pid == 0);
  CHECK(n.engine->pod_usage(pod, UsageDetail::processes).value().processes == 0);
  CHECK_FALSE(std::filesystem::exists(cgroups::open_root().value().path + "/" + record.cgroup));
  n.open();
  CHECK(n.engine->find_container(id.value()).value().state == ContainerState::created);
  REQUIRE(n.engine->start_container(id.value()).ok());
  CHECK(n.ended(id.value()).exit_code == 0);
  // What cannot be made: the log's place is a directory.
  ContainerSpec bad = n.spec("true");
  std::filesystem::create_directories(n.dir.path + "/logs/" + bad.log_path);
  const auto other = n.engine->create_container(pod, bad);
  REQUIRE(other.ok());
  CHECK_FALSE(n.engine->start_container(other.value()).ok());
  CHECK(n.engine->find_container(other.value()).value().reason == "StartError");
  REQUIRE(n.engine->stop_container(n.engine->create_container(pod, n.spec("true")).take(), 0s).ok());
  REQUIRE(n.engine->remove_pod(pod).ok());
  n.check_clean();
}

TEST_CASE("a killed monitor ends its pod, tells so, and leaves nothing", "[root]") {
  Node n;
  const std::string pod = n.pod();
  const std::string id = n.start(pod, n.spec("sleep 1000"));
  const auto monitor = sys::pidfd_open(static_cast<pid_t>(n.engine->find_pod(pod).value().monitor_pid));
  REQUIRE(monitor.ok());
  REQUIRE(sys::pidfd_send_signal(monitor.value(), SIGKILL).ok());
  const ContainerRecord record = n.ended(id);
  CHECK(record.reason == "MonitorLost");
  CHECK(record.exit_code == 137);
  CHECK(n.lost(pod).reason == "MonitorLost");
  REQUIRE(n.engine->remove_pod(pod).ok());
  n.check_clean();
}

TEST_CASE("a real pod with the host's network and a shared PID namespace", "[root]") {
  Node n;
  const std::string pod = n.pod([](PodSpec& spec) {
    spec.security.namespaces.network = NamespaceMode::node;
    spec.security.namespaces.pid = NamespaceMode::pod;
  });
  ContainerSpec spec = n.spec("ls -l /proc/self/ns/net | grep -o '\\[.*\\]'; echo $$");
  spec.security.namespaces.pid = NamespaceMode::pod;
  spec.security.namespaces.network = NamespaceMode::node;
  std::error_code ignored;
  const std::string host = std::filesystem::read_symlink("/proc/self/ns/net", ignored).string();
  const std::string text = n.run(pod, spec);
  CHECK_THAT(text, Catch::StartsWith(host.substr(host.find('['))));
  CHECK_THAT(text, !Catch::EndsWith("\n1\n"));  // PID 1 is the pod's own
  CHECK(n.network.held == 0);
  REQUIRE(n.engine->remove_pod(pod).ok());
  n.check_clean();
}
