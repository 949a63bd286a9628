// What the kernel's memory limits do to containers, as the monitor tells it. Needs cgroup v2's memory controller (the VM): hidden from the
// default run, tests/integration/cases/monitor.sh asks for it by its tag.
#include <csignal>

#include "tests/unit/monitor/pod_fixture.h"

using namespace slipway;
using namespace slipway::test;

namespace {

constexpr std::int64_t kLimit = 16 << 20;
constexpr const char* kGreedy = "x=0123456789abcdef; while :; do x=$x$x; done";

oci::Spec limited(const PodFixture& pod, const std::string& script) {
  oci::Spec spec = pod.spec({"/bin/busybox", "sh", "-c", script});
  spec.linux_.resources.emplace();
  spec.linux_.resources->memory = oci::Memory{.limit = kLimit, .swap = kLimit};
  return spec;
}

bool told_oom(PodFixture& pod, const std::string& id) {
  for (const auto& event : pod.events.all())
    if (event.has_oom() && event.oom().container_id() == id && event.oom().oom_kill() > 0) return true;
  return false;
}

}  // namespace

TEST_CASE("past its limit a container is ended, the record names its cgroup", "[.][memory]") {
  PodFixture pod;
  pod.start();
  pod.create("c1", limited(pod, kGreedy));
  REQUIRE(pod.start("c1").ok());
  const auto exit = pod.events.wait_exit("c1");
  CHECK(exit.code() == 137);
  CHECK(exit.signal() == SIGKILL);
  CHECK(exit.oom_killed());
  CHECK(exit.oom_cgroup() == pod.top + "/pod/c1");
  CHECK(told_oom(pod, "c1"));
  CHECK(pod.signal("none", SIGTERM).error().code == Code::not_found);  // the monitor goes on
  REQUIRE(pod.shut_down().ok());
}

TEST_CASE("a child of a container is ended, the container goes on and says so", "[.][memory]") {
  PodFixture pod;
  pod.start();
  pod.create("c1", limited(pod, "busybox sh -c '" + std::string(kGreedy) + "'; echo $?; exit 4"));
  REQUIRE(pod.start("c1").ok());
  const auto exit = pod.events.wait_exit("c1");
  CHECK(exit.code() == 4);
  CHECK(exit.oom_killed());
  CHECK(told_oom(pod, "c1"));
  CHECK_THAT(pod.log_lines("c1"), Catch::Contains("stdout F 137\n"));
}

TEST_CASE("when the pod's limit is hit, the record names the pod's cgroup", "[.][memory]") {
  PodFixture pod;
  const auto cgroup = cgroups::Cgroup::open(pod.root, pod.top + "/pod");
  REQUIRE(cgroup.ok());
  oci::Resources resources;
  resources.memory = oci::Memory{.limit = kLimit, .swap = kLimit};
  REQUIRE(cgroup.value().apply(resources).ok());
  pod.start();
  pod.run("c1", kGreedy);
  const auto exit = pod.events.wait_exit("c1");
  CHECK(exit.code() == 137);
  CHECK(exit.oom_killed());
  CHECK(exit.oom_cgroup() == pod.top + "/pod");
}

TEST_CASE("killed without a lack of memory is not OOM", "[.][memory]") {
  PodFixture pod;
  pod.start();
  pod.create("c1", limited(pod, "busybox sleep 1000"));
  REQUIRE(pod.start("c1").ok());
  REQUIRE(pod.signal("c1", SIGKILL).ok());
  const auto exit = pod.events.wait_exit("c1");
  CHECK(exit.code() == 137);
  CHECK_FALSE(exit.oom_killed());
}

TEST_CASE("the monitor is kept from the OOM killer, containers are not", "[.][memory]") {
  PodFixture pod;
  pod.start();
  CHECK(slurp(pod.monitor_proc("oom_score_adj")) == "-999\n");
  const std::uint32_t pid = pod.create("c1", pod.spec({"/bin/busybox", "true"}));
  REQUIRE(pod.start("c1").ok());
  CHECK(pid > 0);
  pod.run("c2", "busybox cat /proc/self/oom_score_adj");
  CHECK(pod.events.wait_exit("c2").code() == 0);
  CHECK(pod.log_lines("c2") == "stdout F 0\n");
}
