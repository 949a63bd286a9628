// SELinux: what the policy's files say, the labels of pods and containers, levels that are taken and free again, the relabelling of
// volumes.
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "engine/relabel.h"
#include "engine/selinux.h"
#include "tests/unit/engine/world.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using namespace slipway::engine;
namespace fs = std::filesystem;

namespace {

constexpr const char* kProcess = "system_u:system_r:container_t:s0";
constexpr const char* kFile = "system_u:object_r:container_file_t:s0";

void write(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text;
}

// A host's files of SELinux. The kernel's `context` takes what is written into it, as for a label that its policy has.
void make_host(const std::string& root) {
  write(root + "/sys/fs/selinux/enforce", "1");
  write(root + "/sys/fs/selinux/context", "");
  write(root + "/etc/selinux/config", "# SELINUXTYPE=other\nSELINUX=enforcing\nSELINUXTYPE = default\n");
  write(root + "/etc/selinux/default/contexts/lxc_contexts",
        std::string("process = \"") + kProcess + "\"\ncontent = \"x:y:z:s0\"\nfile = \"" + kFile + "\"\n");
}

SelinuxPolicy policy() {
  return {.root = "", .enabled = true, .process = kProcess, .file = kFile, .privileged = "system_u:system_r:spc_t:s0"};
}

PodRecord pod(const SecurityContext& security = {}, const std::string& level = "s0:c1,c2") {
  PodRecord record;
  record.id = "p";
  record.spec.security = security;
  const auto labels = pod_labels(policy(), security, level);
  REQUIRE(labels.ok());
  record.process_label = labels.value().process;
  record.mount_label = labels.value().mount;
  return record;
}

SelinuxLabels of(const PodRecord& record, const SecurityContext& container) {
  const auto labels = container_labels(policy(), record, container);
  if (!labels.ok()) FAIL(labels.error().message);
  return labels.value();
}

}  // namespace

TEST_CASE("the policy's own labels are read from its files", "[engine]") {
  slipway::test::TempDir dir;
  REQUIRE_FALSE(probe_selinux(dir.path).value().enabled);  // a host without SELinux
  make_host(dir.path);
  const auto found = probe_selinux(dir.path);
  REQUIRE(found.ok());
  CHECK(found.value().enabled);
  CHECK(found.value().process == kProcess);
  CHECK(found.value().file == kFile);
  CHECK(found.value().privileged == "system_u:system_r:spc_t:s0");

  fs::remove(dir.path + "/etc/selinux/default/contexts/lxc_contexts");
  const auto bare = probe_selinux(dir.path);
  REQUIRE(bare.ok());
  CHECK(bare.value().enabled);
  CHECK_FALSE(bare.value().labels());
  write(dir.path + "/etc/selinux/default/contexts/lxc_contexts", "process = \"nonsense\"\nfile = \"more\"\n");
  CHECK_FALSE(probe_selinux(dir.path).ok());
}

TEST_CASE("a level is two categories that no other pod has", "[engine]") {
  std::set<std::string> taken;
  std::uint32_t next = 0;
  for (int i = 0; i < 2000; ++i) {  // one random number for all: each finds the next free pair
    const auto level = pick_level("s0", taken, [&](std::uint32_t end) { return next % end; });
    REQUIRE(level.ok());
    const std::string& text = level.value();
    REQUIRE(text.starts_with("s0:c"));
    const std::size_t comma = text.find(",c");
    REQUIRE(comma != std::string::npos);
    const int low = std::stoi(text.substr(4)), high = std::stoi(text.substr(comma + 2));
    CHECK(low < high);
    CHECK(high < 1024);
    CHECK(taken.insert(text).second);
  }
  next = 1024 * 1023 / 2 - 1;
  CHECK(pick_level("s0-s0:c0.c1023", {}, [&](std::uint32_t) { return next; }).value() == "s0:c1022,c1023");
  CHECK(pick_level("s0", {"s0:c1022,c1023"}, [&](std::uint32_t) { return next; }).value() == "s0:c0,c1");
}

TEST_CASE("a container has its pod's labels but for what it asks for", "[engine]") {
  const PodRecord plain = pod();
  CHECK(plain.process_label == "system_u:system_r:container_t:s0:c1,c2");
  CHECK(plain.mount_label == "system_u:object_r:container_file_t:s0:c1,c2");
  CHECK(of(plain, {}).process == plain.process_label);
  CHECK(of(plain, {}).mount == plain.mount_label);
  CHECK_FALSE(of(plain, {}).unconfined);

  SecurityContext asks;
  asks.selinux_type = "web_t";
  asks.selinux_level = "s0:c7,c8";
  CHECK(of(plain, asks).process == "system_u:system_r:web_t:s0:c7,c8");
  CHECK(of(plain, asks).mount == "system_u:object_r:container_file_t:s0:c7,c8");

  SecurityContext whole;
  whole.selinux_user = "staff_u", whole.selinux_role = "staff_r", whole.selinux_type = "staff_t", whole.selinux_level = "s0:c3";
  CHECK(pod(whole).process_label == "staff_u:staff_r:staff_t:s0:c3");
  CHECK(of(pod(whole), {}).process == "staff_u:staff_r:staff_t:s0:c3");
  CHECK(of(pod(whole), {}).mount == "system_u:object_r:container_file_t:s0:c3");
}

TEST_CASE("who shares the host's processes, IPC or devices is not confined unless a type is asked for", "[engine]") {
  SecurityContext privileged;
  privileged.privileged = true;
  const SelinuxLabels labels = of(pod(privileged), privileged);
  CHECK(labels.process == "system_u:system_r:spc_t:s0");
  CHECK(labels.mount == "system_u:object_r:container_file_t:s0:c1,c2");
  CHECK(labels.unconfined);
  CHECK(of(pod(privileged), {}).process == "system_u:system_r:container_t:s0:c1,c2");  // another container of the pod

  SecurityContext host_pid;
  host_pid.namespaces.pid = NamespaceMode::node;
  CHECK(of(pod(host_pid), {}).process == "system_u:system_r:spc_t:s0");
  SecurityContext host_ipc;
  host_ipc.namespaces.ipc = NamespaceMode::node;
  CHECK(of(pod(host_ipc), {}).unconfined);

  privileged.selinux_type = "container_t";
  CHECK(of(pod(), privileged).process == "system_u:system_r:container_t:s0:c1,c2");
  SelinuxPolicy without = policy();
  without.privileged.clear();
  privileged.selinux_type.clear();
  CHECK(container_labels(without, pod(), privileged).value().process.empty());
}

TEST_CASE("what cannot be part of a label is refused by field", "[engine][attack]") {
  SecurityContext security;
  security.selinux_type = "a_t:s0";
  CHECK_THAT(pod_labels(policy(), security, "s0:c1,c2").error().message, Catch::Contains("selinux_options.type: 'a_t:s0'"));
  security = {};
  security.selinux_level = "s0\",uid=0";  // it is quoted in the options of a mount
  CHECK(container_labels(policy(), pod(), security).error().code == Code::invalid_argument);
  security.selinux_level = "s0 ";
  CHECK_FALSE(container_labels(policy(), pod(), security).ok());

  SelinuxPolicy none;
  CHECK(pod_labels(none, security, "").value().process.empty());  // no SELinux: as if nothing had been asked
  none.enabled = true;
  security.selinux_level = "s0";
  CHECK(pod_labels(none, security, "").error().code == Code::failed_precondition);
  CHECK(pod_labels(none, {}, "").value().process.empty());
}

TEST_CASE("pods keep their levels through a restart and free them when they go", "[engine]") {
  slipway::test::TempDir host;
  make_host(host.path);
  engine::test::World world;
  world.host.selinux = probe_selinux(host.path).value();
  world.restart();
  const auto level = [&](const std::string& id) { return level_of(world.engine->snapshot()->pods.at(id)->process_label); };
  const std::string a = world.pod("a"), b = world.pod("b");
  CHECK(level(a) != level(b));
  CHECK(level(a).starts_with("s0:c"));
  const std::string before = level(a);
  world.restart();
  CHECK(level(a) == before);
  const std::string c = world.container(a);
  std::ifstream file(world.dir.path + "/run/pods/" + a + "/containers/" + c + "/config.json");
  const std::string config(std::istreambuf_iterator<char>(file), {});
  CHECK_THAT(config, Catch::Contains("\"selinuxLabel\":\"system_u:system_r:container_t:" + before));
  CHECK_THAT(config, Catch::Contains("\"mountLabel\":\"system_u:object_r:container_file_t:" + before));
  REQUIRE(world.engine->stop_pod(a).ok());
  REQUIRE(world.engine->remove_pod(a).ok());
  CHECK_FALSE(world.engine->snapshot()->pods.contains(a));
}

TEST_CASE("a volume is labelled once: its top last, and no walk where the top has the label", "[engine]") {
  slipway::test::TempDir dir;
  const std::string volume = dir.path + "/volume";
  for (int i = 0; i < 40; ++i) write(volume + "/d" + std::to_string(i % 8) + "/e/f" + std::to_string(i), "x");
  write(dir.path + "/outside/secret", "x");
  fs::create_symlink(dir.path + "/outside", volume + "/link");

  std::mutex mutex;
  std::vector<std::string> order;  // names as the walk gave them, resolved but for the last part
  std::map<std::string, std::string> labels;
  Labeller fake;
  const auto resolved = [](const std::string& path) {
    const fs::path whole(path);
    return (fs::canonical(whole.parent_path()) / whole.filename()).string();
  };
  fake.read = [&](const std::string& path) -> Result<std::string> { return labels[resolved(path)]; };
  fake.write = [&](const std::string& path, const std::string& label) -> Result<void> {
    const std::lock_guard lock(mutex);
    order.push_back(resolved(path));
    labels[order.back()] = label;
    return {};
  };
  REQUIRE(relabel_tree(volume, "l:a:b:s0:c1,c2", fake).ok());
  CHECK(order.size() == 1 + 8 + 8 + 40 + 1);  // the top, the directories, the files, the link itself
  CHECK(order.back() == volume);
  CHECK(labels.contains(volume + "/link"));
  CHECK(labels.contains(volume + "/d3/e/f11"));
  CHECK_FALSE(labels.contains(dir.path + "/outside/secret"));
  REQUIRE(relabel_tree(volume, "l:a:b:s0:c1,c2", fake).ok());
  CHECK(order.size() == 58);
  REQUIRE(relabel_tree(volume, "l:a:b:s0:c9,c10", fake).ok());
  CHECK(order.size() == 2 * 58);

  labels.erase(volume);
  fake.write = [&](const std::string& path, const std::string&) -> Result<void> {
    if (resolved(path) == volume) FAIL("the top of a tree that could not be finished");
    return fail(Code::permission_denied, "no");
  };
  CHECK(relabel_tree(volume, "l:a:b:s0", fake).error().code == Code::permission_denied);
  fs::create_symlink(dir.path, dir.path + "/swapped");
  CHECK(relabel_tree(dir.path + "/swapped/volume", "l:a:b:s0", fake).error().sys_errno == ELOOP);
  CHECK(relabel_tree("/etc", "l:a:b:s0", fake).error().code == Code::invalid_argument);
  CHECK(relabel_tree("/var/lib", "l:a:b:s0", fake).error().code == Code::invalid_argument);
}

TEST_CASE("who asks again while a volume is relabelled waits for that walk, and the pod goes on", "[engine]") {
  slipway::test::TempDir host;
  make_host(host.path);
  write(host.path + "/volume/file", "x");
  std::promise<void> begun, released;
  std::atomic<int> walks = 0;
  engine::test::World world;
  world.host.selinux = probe_selinux(host.path).value();
  world.host.labeller.read = [](const std::string&) -> Result<std::string> { return std::string(); };
  world.host.labeller.write = [&, gate = released.get_future().share()](const std::string& path, const std::string&) -> Result<void> {
    if (!path.ends_with("/file")) return {};
    if (walks++ == 0) begun.set_value();
    gate.wait();
    return {};
  };
  world.restart();
  const std::string pod = world.pod("a");
  ContainerSpec big = engine::test::web_container("big");
  Mount mount;
  mount.container_path = "/data", mount.host_path = host.path + "/volume", mount.selinux_relabel = true;
  big.mounts = {mount};
  const auto create = [&] { return world.engine->create_container(pod, big); };
  auto first = std::async(std::launch::async, create);
  begun.get_future().wait();
  auto again = std::async(std::launch::async, create);
  CHECK(world.engine->create_container(pod, engine::test::web_container("other")).ok());  // the pod is not locked meanwhile
  ContainerSpec sharing = big;
  sharing.metadata.name = "sharing";
  auto shared = std::async(std::launch::async, [&] { return world.engine->create_container(pod, sharing); });
  CHECK(walks == 1);
  released.set_value();
  const auto id = first.get();
  REQUIRE(id.ok());
  CHECK(again.get().value() == id.value());
  CHECK(shared.get().ok());
}

TEST_CASE("volumes whose relabelling does not end leave room for other calls", "[engine][attack]") {
  slipway::test::TempDir host;
  make_host(host.path);
  std::promise<void> released;
  std::atomic<unsigned> walks = 0;
  engine::test::World world;
  world.host.selinux = probe_selinux(host.path).value();
  world.host.labeller.read = [](const std::string& path) -> Result<std::string> {
    return path.ends_with("/labelled") ? "system_u:object_r:container_file_t:s0:c1,c2" : std::string();
  };
  world.host.labeller.write = [&, gate = released.get_future().share()](const std::string& path, const std::string&) -> Result<void> {
    if (!path.ends_with("/file")) return {};
    ++walks;
    gate.wait();
    return {};
  };
  world.restart();
  const std::string pod = world.pod("a");
  const auto with_volume = [&](const std::string& name) {
    write(host.path + "/" + name + "/file", "x");
    ContainerSpec spec = engine::test::web_container(name);
    Mount mount;
    mount.container_path = "/data", mount.host_path = host.path + "/" + name, mount.selinux_relabel = true;
    spec.mounts = {mount};
    spec.security.selinux_level = "s0:c1,c2";
    return spec;
  };
  const unsigned most = EngineOptions().most_relabelling;
  std::vector<std::future<Result<std::string>>> calls;
  for (unsigned i = 0; i < most; ++i)
    calls.push_back(std::async(std::launch::async,
                               [&, spec = with_volume("v" + std::to_string(i))] { return world.engine->create_container(pod, spec); }));
  while (walks < most) std::this_thread::yield();
  const auto refused = world.engine->create_container(pod, with_volume("more"));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Code::resource_exhausted);
  CHECK(walks == most);
  CHECK(world.engine->create_container(pod, with_volume("labelled")).ok());
  released.set_value();
  for (auto& call : calls) CHECK(call.get().ok());
  CHECK(world.engine->create_container(pod, with_volume("more")).ok());
}

TEST_CASE("a volume that nests without end is refused, not followed", "[engine][attack]") {
  slipway::test::TempDir dir;
  std::string at = dir.path + "/volume";
  fs::create_directories(at);
  UniqueFd inside(::open(at.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < 1100; ++i) {
    REQUIRE(::mkdirat(inside.get(), "d", 0755) == 0);
    inside = UniqueFd(::openat(inside.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  Labeller fake{[](const std::string&) -> Result<std::string> { return std::string(); },
                [](const std::string&, const std::string&) -> Result<void> { return {}; }};
  CHECK(relabel_tree(at, "l:a:b:s0", fake).error().code == Code::resource_exhausted);
}
