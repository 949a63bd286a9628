// A pod without containers: what a monitor makes, how small it is, what it leaves (root).
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "sys/process.h"
#include "tests/unit/monitor/pod_fixture.h"

using namespace slipway;
using namespace slipway::test;

namespace {

ino_t inode(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_ino;
}

std::string field(const std::string& text, const std::string& name) {
  const std::size_t at = text.find(name);
  REQUIRE(at != std::string::npos);
  const std::size_t begin = text.find_first_not_of(" \t:", at + name.size());
  return text.substr(begin, text.find_first_of(" \t\n", begin) - begin);
}

// What a child that has joined a namespace sees.
std::string in_network(const std::string& netns, const std::string& path) {
  int fds[2];
  REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int ns = ::open(netns.c_str(), O_RDONLY | O_CLOEXEC);
    if (ns < 0 || ::setns(ns, CLONE_NEWNET) != 0) ::_exit(1);
    const auto text = sys::read_file(path, 4096);
    if (text.ok()) (void)!::write(fds[1], text.value().data(), text.value().size());
    ::_exit(0);
  }
  ::close(fds[1]);
  const auto text = sys::read_fd(FdRef(fds[0]), 4096);
  ::close(fds[0]);
  const auto pidfd = sys::pidfd_open(pid);
  REQUIRE(sys::wait_pidfd(pidfd.value()).value().code == 0);
  return text.value();
}

bool mounted(const std::string& path) {
  return slurp("/proc/self/mountinfo").find(" " + path + " ") != std::string::npos;
}

}  // namespace

TEST_CASE("a monitor makes the pod's namespaces and stays in the host's", "[monitor][root]") {
  PodFixture pod;
  (*pod.config.mutable_sysctls())["net.ipv4.ip_unprivileged_port_start"] = "80";
  (*pod.config.mutable_sysctls())["kernel.shm_rmid_forced"] = "1";
  pod.start();
  const auto& names = pod.client->welcome().namespaces();
  CHECK(inode(names.network()) != inode("/proc/self/ns/net"));
  CHECK(inode(names.ipc()) != inode("/proc/self/ns/ipc"));
  CHECK(inode(names.uts()) != inode("/proc/self/ns/uts"));
  CHECK(names.pid().empty());
  for (const char* ns : {"net", "ipc", "uts", "mnt", "pid"})
    CHECK(inode(pod.monitor_proc(std::string("ns/") + ns)) == inode(std::string("/proc/self/ns/") + ns));
  CHECK(in_network(names.network(), "/proc/sys/net/ipv4/ip_unprivileged_port_start") == "80\n");
  CHECK(in_network(names.network(), "/proc/sys/net/ipv4/conf/lo/forwarding").size() == 2);
  CHECK(slurp("/proc/sys/kernel/shm_rmid_forced") == "0\n");
  struct statvfs shm {};
  REQUIRE(::statvfs(names.shm().c_str(), &shm) == 0);
  CHECK(shm.f_blocks * shm.f_frsize == 1 << 20);
  CHECK(pod.client->welcome().pod_id() == pod.pod_id);
  CHECK(pod.client->welcome().stages_size() >= 4);
  REQUIRE(pod.shut_down().ok());
}

TEST_CASE("a monitor is one small process with one thread, out of reach of signals and of slipwayd's end", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  const std::string status = slurp(pod.monitor_proc("status"));
  CHECK(field(status, "Threads") == "1");
  CHECK(field(status, "PPid") != std::to_string(::getpid()));
  CHECK(field(status, "NSsid") == field(status, "Pid"));
  CHECK(slurp(pod.monitor_proc("cgroup")).find("0::" + pod.top + "/monitor\n") != std::string::npos);
  struct stat info {};
  REQUIRE(::stat((pod.config.directory() + "/monitor.sock").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  for (const int signal : {SIGTERM, SIGHUP, SIGINT, SIGPIPE, SIGUSR1})
    REQUIRE(::kill(static_cast<pid_t>(pod.client->welcome().monitor_pid()), signal) == 0);
  REQUIRE(pod.signal("none", SIGTERM).error().code == Code::not_found);  // it answers
  REQUIRE(pod.shut_down().ok());
}

TEST_CASE("the program cannot be changed through a monitor that has ended", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  const auto pidfd = sys::pidfd_open(static_cast<pid_t>(pod.client->welcome().monitor_pid()));
  const auto exe = sys::open_path(pod.monitor_proc("exe"), O_RDONLY);
  REQUIRE(exe.ok());
  REQUIRE(pod.shut_down().ok());
  REQUIRE(sys::poll_readable(pidfd.value(), 10'000).value());
  const auto writable = sys::open_path("/proc/self/fd/" + std::to_string(exe.value().get()), O_WRONLY);
  REQUIRE_FALSE(writable.ok());
  CHECK(writable.error().sys_errno == EROFS);  // while it ran ETXTBSY would have said no; that ends with it (CVE-2019-5736)
}

TEST_CASE("the monitors of ten pods are as small as targets.md wants them", "[monitor][root]") {
  std::vector<std::unique_ptr<PodFixture>> pods;
  for (int i = 0; i < 10; ++i) {
    pods.push_back(std::make_unique<PodFixture>());
    pods.back()->start();
    pods.back()->run("c1", "busybox sleep 1000");
  }
  // Half a second after its last request a monitor gives back what that needed.
  long pss = 1'000'000;
  long anonymous = 1'000'000;
  for (const auto end = std::chrono::steady_clock::now() + 10s; (pss > 400 || anonymous > 200) && std::chrono::steady_clock::now() < end;) {
    pss = anonymous = 0;
    for (const auto& pod : pods) {
      const std::string memory = slurp(pod->monitor_proc("smaps_rollup"));
      pss = std::max(pss, std::stol(field(memory, "Pss")));
      anonymous = std::max(anonymous, std::stol(field(memory, "Anonymous")));
    }
  }
  WARN("the largest of ten monitors with a running container each: Pss " << pss << " kB, private anonymous " << anonymous << " kB");
  CHECK(pss <= 400);
  CHECK(anonymous <= 200);
  for (const auto& pod : pods) CHECK(pod->shut_down().ok());
}

TEST_CASE("after Shutdown nothing is left but the network namespace's name", "[monitor][root]") {
  PodFixture pod;
  pod.config.set_share_pid(true);
  pod.start();
  const auto monitor = sys::pidfd_open(static_cast<pid_t>(pod.client->welcome().monitor_pid()));
  const std::uint32_t init = pod.client->welcome().init_pid();
  REQUIRE(pod.shut_down().ok());
  REQUIRE(sys::poll_readable(monitor.value(), 10'000).value());
  CHECK(::access(("/proc/" + std::to_string(init)).c_str(), F_OK) != 0);
  CHECK(mounted(pod.config.netns_path()));  // a DEL that is still owed needs it
  CHECK_FALSE(mounted(pod.config.directory() + "/shm"));
  CHECK_FALSE(mounted(pod.config.directory() + "/files"));
  CHECK_FALSE(sys::exists(pod.config.directory() + "/shm"));
  CHECK_FALSE(sys::exists(pod.config.directory() + "/monitor.sock"));
}

TEST_CASE("a start that fails says why and leaves nothing", "[monitor][root]") {
  PodFixture pod;
  std::string expected;
  SECTION("a sysctl of the node's") {
    (*pod.config.mutable_sysctls())["kernel.core_pattern"] = "|/bin/evil";
    expected = "kernel/core_pattern";
  }
  SECTION("a sysctl that is none") {
    (*pod.config.mutable_sysctls())["net.ipv4.no_such_thing"] = "1";
    expected = "no_such_thing";
  }
  SECTION("a name that is taken") {
    std::filesystem::create_directories(pod.dir.path + "/netns");
    std::ofstream(pod.config.netns_path()) << "";
    expected = pod.config.netns_path();
  }
  SECTION("a cgroup that is not there") {
    pod.config.set_monitor_cgroup(pod.top + "/none");
    expected = "/none";
  }
  SECTION("no directory") {
    pod.config.set_directory(pod.dir.path + "/none");
    expected = pod.dir.path + "/none";
  }
  SECTION("the socket cannot be made") {
    std::ofstream(pod.config.directory() + "/monitor.sock") << "";
    expected = "monitor.sock";
  }
  const auto started = pod.starter->start(pod.config, pod.hooks(pod.events));
  REQUIRE_FALSE(started.ok());
  CHECK_THAT(started.error().message, Catch::StartsWith("start the monitor: ") && Catch::Contains(expected));
  CHECK_FALSE(mounted(pod.config.netns_path()));
  CHECK_FALSE(mounted(pod.config.directory() + "/shm"));
  CHECK_FALSE(mounted(pod.config.directory() + "/files"));
  CHECK(slurp("/proc/sys/kernel/core_pattern").find("evil") == std::string::npos);
  const auto monitors = cgroups::Cgroup::open(pod.root, pod.top + "/monitor");
  CHECK(monitors.value().wait_empty(5000).value());
}

TEST_CASE("a host-network pod has no namespace of its own but IPC", "[monitor][root]") {
  PodFixture pod;
  pod.config.clear_netns_path();
  pod.config.clear_hostname();
  pod.start();
  const auto& names = pod.client->welcome().namespaces();
  CHECK(names.network().empty());
  CHECK(names.uts().empty());
  CHECK_FALSE(names.ipc().empty());
  REQUIRE(pod.shut_down().ok());
}

TEST_CASE("the init of a shared PID namespace reaches nothing of the host", "[monitor][root]") {
  PodFixture pod;
  pod.config.set_share_pid(true);
  pod.start();
  const std::string init = "/proc/" + std::to_string(pod.client->welcome().init_pid());
  const std::string status = slurp(init + "/status");
  CHECK(field(status, "CapPrm") == "0000000000000000");
  CHECK(field(status, "CapBnd") == "0000000000000000");
  CHECK(field(status, "NoNewPrivs") == "1");
  CHECK(field(status, "Uid") == "65535");
  CHECK(std::filesystem::is_empty(init + "/root"));
  CHECK(std::filesystem::is_empty(init + "/fd"));
  CHECK(inode(init + "/ns/mnt") != inode("/proc/self/ns/mnt"));
  CHECK(inode(init + "/ns/net") == inode(pod.config.netns_path()));
  CHECK(inode(pod.client->welcome().namespaces().pid()) == inode(init + "/ns/pid"));
  CHECK(slurp(init + "/mountinfo").find(" ro,") != std::string::npos);

  SECTION("and dies with the monitor") {
    const auto pidfd = sys::pidfd_open(static_cast<pid_t>(pod.client->welcome().init_pid()));
    REQUIRE(::kill(static_cast<pid_t>(pod.client->welcome().monitor_pid()), SIGKILL) == 0);
    CHECK(sys::poll_readable(pidfd.value(), 10'000).value());
    CHECK(pod.events.wait_lost());
    CHECK(pod.starter->adopt(pod.pod_id, pod.config.directory(), 0, {}).error().code == Code::unavailable);
  }
}

TEST_CASE("the newest controller has the monitor", "[monitor][root]") {
  PodFixture pod;
  pod.start();
  Events second;
  auto adopted = pod.starter->adopt(pod.pod_id, pod.config.directory(), 0, pod.hooks(second));
  REQUIRE(adopted.ok());
  CHECK(pod.events.wait_lost());
  CHECK(pod.signal("none", SIGTERM).error().code == Code::unavailable);
  pod.client = adopted.value();
  CHECK(pod.signal("none", SIGTERM).error().code == Code::not_found);
  CHECK(pod.starter->adopt("other", pod.config.directory(), 0, {}).error().code == Code::data_loss);
}

TEST_CASE("the death of a shared namespace's init is told", "[monitor][root]") {
  PodFixture pod;
  pod.config.set_share_pid(true);
  pod.start();
  const auto init = sys::pidfd_open(static_cast<pid_t>(pod.client->welcome().init_pid()));
  REQUIRE(init.ok());
  REQUIRE(sys::pidfd_send_signal(init.value(), SIGKILL).ok());
  const auto told = [&] {
    for (const auto& event : pod.events.all())
      if (event.has_pod_init_exited()) return true;
    return false;
  };
  for (int i = 0; i < 1000 && !told(); ++i) (void)::poll(nullptr, 0, 10);
  CHECK(told());
  Events later;
  pod.client = pod.starter->adopt(pod.pod_id, pod.config.directory(), 0, pod.hooks(later)).take();
  CHECK(pod.client->welcome().init_died());
  CHECK(pod.shut_down().ok());
}
