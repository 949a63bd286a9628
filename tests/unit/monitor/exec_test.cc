// Exec sessions under a monitor: streams, ends, what they leave (root).
#include <unistd.h>

#include <csignal>
#include <thread>

#include "tests/unit/monitor/pod_fixture.h"

using namespace slipway;
using namespace slipway::test;

TEST_CASE("exec: output, exit code, its own end by a signal", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.run("c1", "busybox sleep 1000");
  int out[2];
  REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
  UniqueFd read_end(out[0]);
  UniqueFd write_end(out[1]);
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const int stdio[] = {null.get(), write_end.get(), write_end.get()};
  REQUIRE(exec(pod, "e1", "c1", shell("busybox hostname; exit 5"), stdio).ok());
  write_end.reset();
  CHECK(pod.events.wait_exit("e1").code() == 5);
  CHECK(sys::read_fd(read_end, 100).value() == "test-pod\n");  // and its end: nobody else holds the pipe

  REQUIRE(exec(pod, "e2", "c1", shell("busybox sleep 1000")).ok());
  CHECK(exec(pod, "e2", "c1", shell("true")).error().code == Code::already_exists);
  REQUIRE(pod.signal("e2", SIGKILL).ok());
  CHECK(pod.events.wait_exit("e2").code() == 137);
  oci::Process none;
  none.args = {"/bin/none"};
  CHECK(exec(pod, "e3", "c1", none).error().code == Code::not_found);
  CHECK(exec(pod, "e4", "none", shell("true")).error().code == Code::not_found);

  REQUIRE(exec(pod, "e5", "c1", shell("busybox sleep 1000")).ok());
  REQUIRE(pod.signal("c1", SIGKILL).ok());
  CHECK(pod.events.wait_exit("c1").code() == 137);
  CHECK(pod.events.wait_exit("e5").code() == 137);
  CHECK(exec(pod, "e6", "c1", shell("true")).error().code == Code::failed_precondition);
}

TEST_CASE("a killed exec takes along all that it has started, one that ends by itself leaves its daemon", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.run("c1", "exec busybox sleep 1000");
  const auto container = cgroups::Cgroup::open(pod.root, pod.top + "/pod/c1");
  REQUIRE(container.ok());
  const auto processes = [&] { return container.value().processes_below().value().size(); };
  const auto parts = [&] {
    std::size_t count = 0;
    const std::string path = fmt::format("/proc/self/fd/{}", container.value().dir().get());  // wherever cgroup v2 is mounted
    for (const auto& entry : std::filesystem::directory_iterator(path)) count += entry.is_directory();
    return count;
  };
  const auto wait_until = [](const auto& condition) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return condition();
  };
  REQUIRE(wait_until([&] { return processes() == 1; }));
  REQUIRE(exec(pod, "e1", "c1", shell("busybox setsid busybox sleep 1001 & busybox sleep 1002 & exec busybox sleep 1003")).ok());
  REQUIRE(wait_until([&] { return processes() == 4; }));
  REQUIRE(pod.signal("e1", SIGKILL, true).ok());
  CHECK(pod.events.wait_exit("e1").code() == 137);
  CHECK(wait_until([&] { return processes() == 1 && parts() == 0; }));

  REQUIRE(exec(pod, "e2", "c1", shell("busybox setsid busybox sleep 1004 & exit 3")).ok());
  CHECK(pod.events.wait_exit("e2").code() == 3);
  CHECK(wait_until([&] { return processes() == 2 && parts() == 1; }));

  // Killed before it began, whichever of the two comes first at the monitor.
  monitor::Request late;
  late.mutable_exec()->set_id("e3");
  late.mutable_exec()->set_container_id("c1");
  late.mutable_exec()->set_part(true);
  late.mutable_exec()->set_process_json(oci::write_process(shell("exec busybox sleep 1005")));
  const auto unanswered = pod.client->call(std::move(late), {}, 0ms);
  CHECK(unanswered.error().code == Code::deadline_exceeded);
  REQUIRE(pod.signal("e3", SIGKILL, true).ok());
  CHECK(pod.events.wait_exit("e3").code() == 137);
  CHECK(wait_until([&] { return processes() == 2 && parts() == 1; }));
  REQUIRE(pod.signal("c1", SIGKILL, true).ok());
  CHECK(pod.events.wait_exit("c1").code() == 137);
  CHECK(wait_until([&] { return processes() == 0; }));
  REQUIRE(pod.remove("c1").ok());
  CHECK(cgroups::Cgroup::open(pod.root, pod.top + "/pod/c1").error().code == Code::not_found);
}

TEST_CASE("exec with a terminal gives its master away", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.run("c1", "busybox sleep 1000");
  oci::Process process = shell("busybox tty; read x; echo got $x");
  process.terminal = true;
  auto reply = exec(pod, "e1", "c1", process);
  REQUIRE(reply.ok());
  REQUIRE(reply.value().fds.size() == 1);
  const UniqueFd& master = reply.value().fds[0];
  REQUIRE(::write(master.get(), "hello\n", 6) == 6);
  std::string text;
  char part[256];
  for (ssize_t n = 0; (n = ::read(master.get(), part, sizeof part)) > 0;) text.append(part, static_cast<std::size_t>(n));
  CHECK_THAT(text, Catch::Contains("/dev/pts/") && Catch::Contains("got hello"));
  CHECK(pod.events.wait_exit("e1").code() == 0);
}
