// Containers under a monitor: start, output, ends, exec, adoption (root).
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "sys/process.h"
#include "tests/unit/monitor/pod_fixture.h"

using namespace slipway;
using namespace slipway::test;

namespace {

bool alive(std::uint32_t pid) {
  const std::string status = slurp("/proc/" + std::to_string(pid) + "/status");
  return !status.empty() && status.find("State:\tZ") == std::string::npos;
}

// Until `text` is in the file; polling a file is what its readers do.
bool wait_for_text(const std::string& path, const std::string& text) {
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (std::chrono::steady_clock::now() < end) {
    if (slurp(path).find(text) != std::string::npos) return true;
    std::this_thread::yield();
  }
  return false;
}

}  // namespace

TEST_CASE("a container runs in the pod's namespaces, its output and exit are recorded", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  const std::uint32_t pid = pod.create(
      "c1", pod.spec({"/bin/busybox", "sh", "-c", "busybox hostname; echo $$; echo oops >&2; busybox readlink /proc/self/ns/net; exit 3"}));
  CHECK(pid > 0);
  CHECK(slurp("/proc/" + std::to_string(pid) + "/cgroup").find("0::" + pod.top + "/pod/c1\n") != std::string::npos);
  CHECK(slurp(pod.log_of("c1")).empty());
  REQUIRE(pod.start("c1").ok());
  const auto exit = pod.events.wait_exit("c1");
  CHECK(exit.code() == 3);
  CHECK(exit.signal() == 0);
  CHECK(exit.finished_at() > now_realtime() - 60'000'000'000);
  struct stat net {};
  REQUIRE(::stat(pod.config.netns_path().c_str(), &net) == 0);
  const std::string lines = pod.log_lines("c1");
  CHECK_THAT(lines, Catch::StartsWith("stdout F test-pod\nstdout F 1\n"));
  CHECK_THAT(lines, Catch::Contains("stderr F oops\n"));
  CHECK_THAT(lines, Catch::Contains("stdout F net:[" + std::to_string(net.st_ino) + "]\n"));
  monitor::ExitRecord record;
  REQUIRE(record.ParseFromString(slurp(pod.config.directory() + "/containers/c1/exit")));
  CHECK(record.SerializeAsString() == exit.SerializeAsString());
  REQUIRE(pod.remove("c1").ok());
  CHECK_FALSE(sys::exists(pod.config.directory() + "/containers/c1"));
  CHECK_FALSE(sys::exists(pod.root.path + pod.top + "/pod/c1"));
  CHECK(sys::exists(pod.log_of("c1")));
  CHECK(pod.remove("c1").ok());
  REQUIRE(pod.shut_down().ok());
}

TEST_CASE("where the time went comes with the reply", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  auto reply = pod.call(pod.create_request("c1", pod.spec({"/bin/busybox", "true"})));
  REQUIRE(reply.ok());
  std::string names;
  for (const auto& stage : reply.value().reply.stages()) {
    CHECK(stage.duration() >= 0);
    names += stage.name() + " ";
  }
  CHECK_THAT(names, Catch::StartsWith("fork parse ") && Catch::EndsWith("adopt "));
  CHECK(reply.value().reply.cgroup() == pod.top + "/pod/c1");
  monitor::Request start;
  start.mutable_start()->set_id("c1");
  const auto started = pod.call(start);
  REQUIRE(started.ok());
  REQUIRE(started.value().reply.stages_size() == 1);
  CHECK(started.value().reply.stages(0).name() == "exec");
  CHECK(started.value().reply.pid() == reply.value().reply.pid());
}

TEST_CASE("a program that cannot be executed fails the start, not the pod", "[monitor][root]") {
  PodFixture pod;
  std::ofstream(pod.rootfs + "/bin/bad") << "no program\n";
  std::filesystem::permissions(pod.rootfs + "/bin/bad", std::filesystem::perms(0755));
  pod.start();
  const auto missing = pod.call(pod.create_request("c0", pod.spec({"/bin/none"})));
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == Code::not_found);
  pod.create("c1", pod.spec({"/bin/bad"}));
  const auto started = pod.start("c1");
  REQUIRE_FALSE(started.ok());
  CHECK_THAT(started.error().message, Catch::Contains("c1") && Catch::Contains("Exec format error"));
  CHECK(pod.events.wait_exit("c1").code() == 127);
  CHECK(pod.remove("c1").ok());
}

TEST_CASE("a specification that cannot be made is an error with its reason, nothing is left", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  auto spec = pod.spec({"/bin/busybox", "true"});
  spec.mounts.push_back({"/data", "bind", "/no/such/source", {"rbind"}, {}, {}});
  const auto made = pod.call(pod.create_request("c1", spec));
  REQUIRE_FALSE(made.ok());
  CHECK_THAT(made.error().message, Catch::Contains("/no/such/source"));
  CHECK_FALSE(sys::exists(pod.root.path + pod.top + "/pod/c1"));
  auto request = pod.create_request("c2", pod.spec({"/bin/busybox", "true"}));
  request.mutable_create()->set_tty(true);
  CHECK(pod.call(request).error().code == Code::invalid_argument);
  request = pod.create_request("../c3", pod.spec({"/bin/busybox", "true"}));
  CHECK(pod.call(request).error().code == Code::invalid_argument);
  request = pod.create_request("c4", pod.spec({"/bin/busybox", "true"}));
  request.mutable_create()->set_cgroup("/");
  CHECK(pod.call(request).error().code == Code::invalid_argument);
  CHECK(pod.client->welcome().containers_size() == 0);
}

TEST_CASE("states are kept: twice created, twice started, removed alive", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.create("c1", pod.spec({"/bin/busybox", "sleep", "1000"}));
  CHECK(pod.call(pod.create_request("c1", pod.spec({"/bin/busybox", "true"}))).error().code == Code::already_exists);
  CHECK(pod.remove("c1").error().code == Code::failed_precondition);
  REQUIRE(pod.start("c1").ok());
  CHECK(pod.start("c1").error().code == Code::failed_precondition);
  CHECK(pod.remove("c1").error().code == Code::failed_precondition);
  CHECK(pod.start("none").error().code == Code::not_found);
  REQUIRE(pod.signal("c1", SIGKILL).ok());
  const auto exit = pod.events.wait_exit("c1");
  CHECK(exit.code() == 137);
  CHECK(exit.signal() == 9);
  CHECK_FALSE(exit.oom_killed());
  CHECK(pod.signal("c1", SIGTERM).ok());
  CHECK(pod.start("c1").error().code == Code::failed_precondition);
}

TEST_CASE("a container that was created only can be killed and removed", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.create("c1", pod.spec({"/bin/busybox", "true"}));
  REQUIRE(pod.signal("c1", SIGKILL).ok());
  CHECK(pod.events.wait_exit("c1").code() == 137);
  CHECK(pod.remove("c1").ok());
}

TEST_CASE("signals reach the init, cgroup.kill all", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.run("c1", "trap 'echo got; exit 7' TERM; echo ready; while :; do busybox sleep 0.01; done");
  REQUIRE(wait_for_text(pod.log_of("c1"), "ready"));
  REQUIRE(pod.signal("c1", SIGTERM).ok());
  CHECK(pod.events.wait_exit("c1").code() == 7);
  CHECK_THAT(pod.log_lines("c1"), Catch::EndsWith("stdout F got\n"));
  pod.run("c2", "busybox sleep 1000 & busybox sleep 1000");
  CHECK(pod.signal("c2", SIGTERM, true).error().code == Code::invalid_argument);
  REQUIRE(pod.signal("c2", SIGKILL, true).ok());
  CHECK(pod.events.wait_exit("c2").code() == 137);
}

TEST_CASE("a stop signal that is to be sent once is", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.run("c1", "trap 'echo got' TERM; trap 'exit 7' USR1; echo ready; while :; do busybox sleep 0.01; done");
  REQUIRE(wait_for_text(pod.log_of("c1"), "ready"));
  monitor::Request stop;
  stop.mutable_signal()->set_id("c1");
  stop.mutable_signal()->set_signal(SIGTERM);
  stop.mutable_signal()->set_once(true);
  REQUIRE(pod.call(stop).ok());
  REQUIRE(wait_for_text(pod.log_of("c1"), "got"));
  REQUIRE(pod.call(stop).ok());
  REQUIRE(pod.signal("c1", SIGUSR1).ok());
  CHECK(pod.events.wait_exit("c1").code() == 7);
  CHECK(pod.log_lines("c1") == "stdout F ready\nstdout F got\n");
  CHECK(pod.call(stop).ok());
}

TEST_CASE("an unfinished line is kept as a piece, a long one is split", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.run("c1", "busybox head -c 20000 /dev/zero | busybox tr '\\0' x; echo; printf unfinished");
  CHECK(pod.events.wait_exit("c1").code() == 0);
  CHECK(pod.log_lines("c1") ==
        "stdout P " + std::string(16384, 'x') + "\nstdout F " + std::string(20000 - 16384, 'x') + "\nstdout P unfinished\n");
}

TEST_CASE("much output arrives whole and in order", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.run("c1", "busybox seq 1 200000");
  CHECK(pod.events.wait_exit("c1").code() == 0);
  std::istringstream in(slurp(pod.log_of("c1")));
  int expected = 0;
  for (std::string line; std::getline(in, line);)
    if (line.substr(31) != "stdout F " + std::to_string(++expected)) break;
  CHECK(expected == 200000);
}

TEST_CASE("a log is reopened after its rotation", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.run("c1", "trap 'echo two; exit 0' TERM; echo one; while :; do busybox sleep 0.01; done");
  REQUIRE(wait_for_text(pod.log_of("c1"), "one"));
  REQUIRE(::rename(pod.log_of("c1").c_str(), (pod.log_of("c1") + ".1").c_str()) == 0);
  monitor::Request request;
  request.mutable_reopen_log()->set_id("c1");
  REQUIRE(pod.call(request).ok());
  REQUIRE(pod.signal("c1", SIGTERM).ok());
  CHECK(pod.events.wait_exit("c1").code() == 0);
  CHECK(pod.log_lines("c1") == "stdout F two\n");
  std::filesystem::remove(pod.log_of("c1"));
  CHECK(pod.call(request).error().code == Code::failed_precondition);
  CHECK_FALSE(sys::exists(pod.log_of("c1")));
}

TEST_CASE("a terminal: output, size, hang-up", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  auto spec = pod.spec({"/bin/busybox", "sh", "-c",
                        "busybox tty; trap 'busybox stty size; exit 0' WINCH; echo ready; while :; do busybox sleep 0.01; done"});
  spec.process->terminal = true;
  pod.create("c1", spec);
  REQUIRE(pod.start("c1").ok());
  REQUIRE(wait_for_text(pod.log_of("c1"), "ready"));
  monitor::Request request;
  request.mutable_resize()->set_id("c1");
  request.mutable_resize()->set_width(132);
  request.mutable_resize()->set_height(43);
  REQUIRE(pod.call(request).ok());
  CHECK(pod.events.wait_exit("c1").code() == 0);
  CHECK(pod.log_lines("c1") == "stdout F /dev/pts/0\r\nstdout F ready\r\nstdout F 43 132\r\n");
}

TEST_CASE("stdin stays open until it is closed", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  auto request = pod.create_request("c1", pod.spec({"/bin/busybox", "sh", "-c", "echo begin; busybox cat; echo end"}));
  request.mutable_create()->set_stdin(true);
  REQUIRE(pod.call(request).ok());
  REQUIRE(pod.start("c1").ok());
  REQUIRE(wait_for_text(pod.log_of("c1"), "begin"));
  monitor::Request close;
  close.mutable_close_stdin()->set_id("c1");
  REQUIRE(pod.call(close).ok());
  CHECK(pod.events.wait_exit("c1").code() == 0);
  CHECK(pod.log_lines("c1") == "stdout F begin\nstdout F end\n");
}

TEST_CASE("a process that inherits nothing of the monitor's", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.create("c0", pod.spec({"/bin/busybox", "sleep", "1000"}));  // its start pipe and log are open in the monitor
  pod.run("c1", "busybox ls /proc/self/fd; busybox cat /proc/self/oom_score_adj; umask");
  CHECK(pod.events.wait_exit("c1").code() == 0);
  const std::string lines = pod.log_lines("c1");
  CHECK_THAT(lines, Catch::StartsWith("stdout F 0\nstdout F 1\nstdout F 2\nstdout F 3\n"));  // 3: ls reads the directory
  CHECK_THAT(lines, !Catch::Contains("stdout F 4\n"));
  pod.create("c2", pod.spec({"/bin/busybox", "cat", "/proc/self/status"}));
  REQUIRE(pod.start("c2").ok());
  CHECK(pod.events.wait_exit("c2").code() == 0);
  CHECK_THAT(pod.log_lines("c2"), Catch::Contains("SigBlk:\t0000000000000000") && Catch::Contains("SigIgn:\t0000000000000000") &&
                                      Catch::Contains("SigCgt:\t0000000000000000"));
  CHECK_THAT(lines, Catch::Contains("stdout F 0022\n"));
  CHECK_THAT(lines, !Catch::Contains("-999"));
}

TEST_CASE("secrets of config.json never reach the monitor's memory", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.run("c1", "busybox sleep 1000");
  oci::Process process = shell("true");
  process.env.push_back("TOKEN=session-secret-4711");
  REQUIRE(exec(pod, "e1", "c1", process).ok());
  CHECK(pod.events.wait_exit("e1").code() == 0);
  monitor::Request request;  // by text, as a client of an older kind sends it
  request.mutable_exec()->set_id("e2");
  request.mutable_exec()->set_container_id("c1");
  request.mutable_exec()->set_process_json(oci::write_process(process));
  REQUIRE(pod.call(request).ok());
  CHECK(pod.events.wait_exit("e2").code() == 0);
  // All its writable memory, searched.
  std::ifstream maps(pod.monitor_proc("maps"));
  const auto memory = sys::open_path(pod.monitor_proc("mem"), O_RDONLY);
  REQUIRE(memory.ok());
  std::size_t searched = 0;
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    char mode[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, mode) != 3 || mode[1] != 'w') continue;
    std::string bytes(end - begin, '\0');
    const ssize_t n = ::pread(memory.value().get(), bytes.data(), bytes.size(), static_cast<off_t>(begin));
    if (n <= 0) continue;
    searched += static_cast<std::size_t>(n);
    found = found || bytes.find("session-secret-4711") != std::string::npos || bytes.find("kept-out-of-the-monitor") != std::string::npos;
  }
  CHECK(searched > 100'000);
  CHECK_FALSE(found);
}

TEST_CASE("slipwayd's death costs nothing: output goes on, exits are told to the next", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.run("c1", "echo one; while [ ! -e /dev/shm/go ]; do busybox sleep 0.01; done; echo two; exit 9");
  pod.create("c2", pod.spec({"/bin/busybox", "true"}));
  pod.run("c3", "busybox sleep 1000");
  REQUIRE(wait_for_text(pod.log_of("c1"), "one"));
  pod.client->close();
  std::ofstream(pod.config.directory() + "/shm/go") << "";
  REQUIRE(wait_for_text(pod.log_of("c1"), "two"));
  Events later;
  auto adopted = pod.starter->adopt(pod.pod_id, pod.config.directory(), 0, pod.hooks(later));
  REQUIRE(adopted.ok());
  pod.client = adopted.value();
  CHECK(later.wait_exit("c1").code() == 9);
  REQUIRE(later.all().size() == 1);
  CHECK(later.all()[0].sequence() == 1);

  // Once more: unacknowledged it comes again, acknowledged it does not; the state stays known.
  Events again;
  pod.client = pod.starter->adopt(pod.pod_id, pod.config.directory(), 0, pod.hooks(again)).take();
  CHECK(again.wait_exit("c1").code() == 9);
  REQUIRE(pod.client->acknowledge(1).ok());
  Events last;
  pod.client = pod.starter->adopt(pod.pod_id, pod.config.directory(), 0, pod.hooks(last)).take();
  const auto& welcome = pod.client->welcome();
  CHECK(welcome.last_sequence() == 1);
  REQUIRE(welcome.containers_size() == 3);
  CHECK(welcome.containers(0).state() == monitor::ContainerState::EXITED);
  CHECK(welcome.containers(0).exit().code() == 9);
  CHECK(welcome.containers(1).state() == monitor::ContainerState::CREATED);
  CHECK(welcome.containers(2).state() == monitor::ContainerState::RUNNING);
  CHECK(alive(welcome.containers(2).pid()));
  CHECK(last.all().empty());
  REQUIRE(pod.start("c2").ok());
  CHECK(last.wait_exit("c2").code() == 0);
  REQUIRE(pod.shut_down().ok());
  CHECK_FALSE(sys::exists(pod.root.path + pod.top + "/pod/c3"));
}

TEST_CASE("the monitor's death ends a created container, slipwayd is told", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  const std::uint32_t pid = pod.create("c1", pod.spec({"/bin/busybox", "sleep", "1000"}));
  const auto pidfd = sys::pidfd_open(static_cast<pid_t>(pid));
  REQUIRE(::kill(static_cast<pid_t>(pod.client->welcome().monitor_pid()), SIGKILL) == 0);
  CHECK(pod.events.wait_lost());
  CHECK(sys::poll_readable(pidfd.value(), 10'000).value());  // its start pipe came to its end
}

TEST_CASE("a shared PID namespace: one init, what a container leaves is killed", "[monitor][root]") {
  PodFixture pod;
  pod.config.set_share_pid(true);
  pod.start();
  pod.run("c1", "busybox sleep 1000 & echo $!; busybox cat /proc/1/comm; exit 0");
  CHECK(pod.events.wait_exit("c1").code() == 0);
  CHECK_THAT(pod.log_lines("c1"), Catch::Contains("stdout F pod-init\n"));
  const auto cgroup = cgroups::Cgroup::open(pod.root, pod.top + "/pod/c1");
  REQUIRE(cgroup.ok());
  CHECK(cgroup.value().wait_empty(10'000).value());
  CHECK(alive(pod.client->welcome().init_pid()));
  CHECK(pod.remove("c1").ok());
}

TEST_CASE("an orphan of a shared namespace is reaped, a held pipe delays no exit", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  // The background process keeps stdout; with a PID namespace of its own it dies with init.
  pod.run("c1", "(busybox sleep 1000 &) ; echo done");
  const auto begun = std::chrono::steady_clock::now();
  CHECK(pod.events.wait_exit("c1").code() == 0);
  CHECK(std::chrono::steady_clock::now() - begun < 5s);
  CHECK(pod.log_lines("c1") == "stdout F done\n");
  CHECK(pod.remove("c1").ok());
}

TEST_CASE("an update is applied, a bad one says why", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  pod.run("c1", "busybox sleep 1000");
  monitor::Request request;
  request.mutable_update()->set_id("c1");
  request.mutable_update()->set_resources_json("{}");
  CHECK(pod.call(request).ok());
  request.mutable_update()->set_resources_json("{\"pids\":{\"limit\":\"x\"}}");
  const auto bad = pod.call(request);
  REQUIRE_FALSE(bad.ok());
  CHECK_THAT(bad.error().message, Catch::Contains("pids"));
}

TEST_CASE("what a later issue brings says so", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  CHECK(pod.call(monitor::Request{}).error().code == Code::unimplemented);
}

TEST_CASE("many containers at once", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  std::vector<std::thread> threads;
  threads.reserve(20);
  std::atomic<int> good = 0;
  for (int i = 0; i < 20; ++i)
    threads.emplace_back([&pod, &good, i] {
      const std::string id = "c" + std::to_string(i);
      const auto made =
          pod.call(pod.create_request(id, pod.spec({"/bin/busybox", "sh", "-c", "echo " + id + "; exit " + std::to_string(i)})));
      if (made.ok() && pod.start(id).ok()) ++good;
    });
  for (auto& t : threads) t.join();
  CHECK(good == 20);
  for (int i = 0; i < 20; ++i) {
    const std::string id = "c" + std::to_string(i);
    CHECK(pod.events.wait_exit(id).code() == i);
    CHECK(pod.log_lines(id) == "stdout F " + id + "\n");
  }
  std::uint64_t sequence = 0;
  for (const auto& event : pod.events.all()) CHECK(event.sequence() == ++sequence);
  REQUIRE(pod.shut_down().ok());
}

// As a neighbour with CAP_SYS_PTRACE in a shared PID namespace can: the end of init's socket does not come with init's.
TEST_CASE("who holds a dead init's socket does not keep the monitor waiting", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  const std::uint32_t pid = pod.create("c1", pod.spec({"/bin/busybox", "sleep", "1000"}));
  const auto pidfd = sys::pidfd_open(static_cast<pid_t>(pid));
  REQUIRE(pidfd.ok());
  std::vector<UniqueFd> held;
  for (int fd = 3; fd < 64; ++fd) {
    UniqueFd taken(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.value().get(), fd, 0)));
    if (taken.valid()) held.push_back(std::move(taken));
  }
  REQUIRE_FALSE(held.empty());
  std::jthread starter([&pod] { (void)pod.start("c1"); });
  REQUIRE(wait_for_text("/proc/" + std::to_string(pid) + "/cmdline", "sleep"));
  REQUIRE(sys::pidfd_send_signal(pidfd.value(), SIGKILL).ok());
  CHECK(pod.events.wait_exit("c1").signal() == SIGKILL);
  CHECK(pod.remove("c1").ok());
  CHECK(pod.shut_down().ok());
}
