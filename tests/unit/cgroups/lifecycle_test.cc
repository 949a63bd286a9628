// Cgroups on this host's kernel, made, filled, frozen, killed, removed.
#include <poll.h>

#include <algorithm>
#include <filesystem>

#include "tests/unit/cgroups/host.h"
#include "tests/unit/leaderless.h"

using namespace slipway;
using namespace slipway::cgroups;
using slipway::tests::HostCgroup;
using slipway::tests::Sleeper;

TEST_CASE("make, find, enter, remove", "[cgroups][host]") {
  HostCgroup host;
  const Cgroup leaf = host.make("/a/b");
  CHECK_FALSE(leaf.was_there());
  CHECK(host.make("/a/b").was_there());
  CHECK(leaf.path() == host.root.path + host.name + "/a/b");
  CHECK_FALSE(leaf.populated().value());
  {
    Sleeper child(leaf);
    CHECK(path_of(child.pid).value() == host.name + "/a/b");
    CHECK(leaf.processes().value() == std::vector<pid_t>{child.pid});
    const auto top = Cgroup::open(host.root, host.name);
    REQUIRE(top.ok());
    CHECK(top.value().processes_below().value() == std::vector<pid_t>{child.pid});
    CHECK(top.value().populated().value());
    const auto busy = leaf.remove(0);
    REQUIRE_FALSE(busy.ok());
    CHECK(busy.error().code == Code::failed_precondition);
  }
  CHECK(leaf.wait_empty(5000).value());
  CHECK(leaf.remove(5000).ok());
  CHECK_FALSE(std::filesystem::exists(leaf.path()));
  CHECK(leaf.remove(0).ok());  // absent already
  CHECK(leaf.kill().ok());
  CHECK_FALSE(leaf.populated().value());
  CHECK(leaf.wait_empty(0).value());
}

TEST_CASE("paths that would leave are refused", "[cgroups][host]") {
  HostCgroup host;
  CHECK_FALSE(Cgroup::create(host.root, "/a/../../b").ok());
  CHECK_FALSE(Cgroup::create(host.root, "/").ok());
  CHECK_FALSE(Cgroup::create(host.root, "").ok());
  CHECK_FALSE(Cgroup::open(host.root, "../x").ok());
  CHECK(Cgroup::open(host.root, "/").ok());
}

TEST_CASE("kill ends the whole subtree", "[cgroups][host]") {
  HostCgroup host;
  const Cgroup top = host.make();
  // Processes in leaves only: a cgroup that hands controllers down takes none.
  Sleeper one(host.make("/w"));
  Sleeper two(host.make("/x/y"));
  REQUIRE(top.kill().ok());
  CHECK(one.reap() == SIGKILL);
  CHECK(two.reap() == SIGKILL);
  CHECK(top.wait_empty(5000).value());
  CHECK(top.remove(5000).ok());
}

TEST_CASE("a part is killed and removed by itself", "[cgroups][host]") {
  HostCgroup host;
  const Cgroup whole = host.make("/whole");
  CHECK(whole.open_part("exec").error().code == Code::not_found);
  const auto part = whole.make_part("exec");
  REQUIRE(part.ok());
  Sleeper inside(part.value());
  Sleeper beside(whole);
  CHECK_FALSE(whole.remove_part("exec").ok());  // somebody is in it, and it does not wait
  CHECK(whole.processes_below().value().size() == 2);
  REQUIRE(part.value().kill().ok());
  CHECK(inside.reap() == SIGKILL);
  CHECK(part.value().wait_empty(5000).value());
  CHECK(whole.remove_part("exec").ok());
  CHECK(whole.remove_part("exec").ok());
  CHECK(whole.populated().value());
}

TEST_CASE("kill without cgroup.kill does too", "[cgroups][host]") {
  HostCgroup host;
  const Cgroup top = host.make();
  Sleeper one(host.make("/w"));
  Sleeper two(host.make("/x/y"));
  const auto killed = top.kill_one_by_one(5000);
  if (!killed.ok()) FAIL(killed.error().message);
  CHECK(one.reap() == SIGKILL);
  CHECK(two.reap() == SIGKILL);
  CHECK(top.processes_below().value().empty());
}

TEST_CASE("a process whose first thread has ended dies too", "[cgroups][host][attack]") {
  HostCgroup host;
  const Cgroup top = host.make();
  const pid_t pid = slipway::tests::fork_without_leader([&top](pid_t child) { REQUIRE(top.add(child).ok()); });
  CHECK(Cgroup::kill_and_remove(host.root, host.name, 5000).ok());
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
}

TEST_CASE("freeze and thaw", "[cgroups][host]") {
  HostCgroup host;
  const Cgroup top = host.make();
  Sleeper child(top);
  CHECK_FALSE(top.frozen().value());
  REQUIRE(top.freeze(5000).ok());
  CHECK(top.frozen().value());
  REQUIRE(top.thaw(5000).ok());
  CHECK_FALSE(top.frozen().value());
  REQUIRE(top.freeze(5000).ok());
  REQUIRE(top.kill().ok());  // a frozen process dies all the same
  CHECK(child.reap() == SIGKILL);
}

TEST_CASE("remove waits for processes that are on their way out", "[cgroups][host]") {
  HostCgroup host;
  const Cgroup top = host.make();
  auto child = std::make_unique<Sleeper>(top);
  REQUIRE(top.kill().ok());
  CHECK(child->reap() == SIGKILL);
  CHECK(top.remove(5000).ok());
}

TEST_CASE("a deep and a wide tree are removed", "[cgroups][host]") {
  HostCgroup host;
  const Cgroup top = host.make();
  std::string path;
  for (int i = 0; i < 40; ++i) {
    path += "/d";
    (void)host.make(path);
  }
  for (int i = 0; i < 40; ++i) (void)host.make("/w" + std::to_string(i));
  CHECK(top.remove(5000).ok());
  CHECK_FALSE(std::filesystem::exists(top.path()));
}

TEST_CASE("events wake a poll", "[cgroups][host]") {
  HostCgroup host;
  const Cgroup top = host.make();
  const auto events = top.open_events();
  REQUIRE(events.ok());
  char text[256];
  REQUIRE(::read(events.value().get(), text, sizeof text) > 0);
  Sleeper child(top);
  pollfd p{events.value().get(), POLLPRI, 0};
  CHECK(::poll(&p, 1, 5000) == 1);
  CHECK((p.revents & POLLPRI) != 0);
}

TEST_CASE("statistics of a real cgroup", "[cgroups][host]") {
  HostCgroup host;
  const Cgroup top = host.make();
  const auto s = top.stats();
  if (!s.ok()) FAIL(s.error().message);
  CHECK(top.oom_kills().value() == s.value().memory.value_or(Memory{}).events.oom_kill);
  const auto root_controllers = available_controllers(host.root);
  REQUIRE(root_controllers.ok());
  const auto& list = root_controllers.value();
  CHECK(s.value().memory.has_value() == (std::find(list.begin(), list.end(), "memory") != list.end()));
  CHECK(s.value().pids.has_value() == (std::find(list.begin(), list.end(), "pids") != list.end()));
}

TEST_CASE("where the controllers are, limits reach the kernel; where not, they are refused by name", "[cgroups][host]") {
  HostCgroup host;
  const Cgroup leaf = host.make("/limited");
  oci::Resources resources;
  resources.memory.emplace().limit = 512 << 20;
  resources.pids_limit = 1024;
  const auto applied = leaf.apply(resources);
  const auto list = available_controllers(host.root).value();
  const bool there =
      std::find(list.begin(), list.end(), "memory") != list.end() && std::find(list.begin(), list.end(), "pids") != list.end();
  CHECK(applied.ok() == there);
  if (there) {
    const Stats s = leaf.stats().value();
    CHECK(s.memory->max == 536870912);
    CHECK(s.pids->max == 1024);
  } else {
    CHECK(applied.error().code == Code::failed_precondition);
  }
}
