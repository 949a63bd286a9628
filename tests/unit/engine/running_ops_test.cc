// What is asked of a running container: exec, new limits, stats, a new log.
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "oci/parse.h"
#include "sys/file.h"
#include "sys/process.h"
#include "tests/unit/engine/world.h"

using namespace slipway;
using namespace slipway::engine;
using namespace slipway::engine::test;
using namespace std::chrono_literals;

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
  REQUIRE(w.host.monitor(pod)->sent().size() == 1);
  CHECK_THAT(w.host.monitor(pod)->sent()[0], Catch::EndsWith(":9:all"));
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
  w.host.monitor(pod)->on_exec = [&](FakeMonitor& monitor, const monitor::Exec& exec, const std::vector<int>& fds) {
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

TEST_CASE("exec gives the streams away and tells the exit code", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.running(pod);
  w.host.monitor(pod)->on_exec = [](FakeMonitor& monitor, const monitor::Exec& exec, std::vector<int> fds) {
    REQUIRE(fds.size() == 3);  // process, stdin, stdout
    REQUIRE(exec.has_stdin());
    REQUIRE(exec.has_stdout());
    REQUIRE_FALSE(exec.has_stderr());
    REQUIRE(::write(fds[2], "out", 3) == 3);
    for (const int fd : fds) ::close(fd);
    monitor.exec_exit(exec.id(), 3);
  };
  StreamSpec spec;
  spec.command = {"sh"};
  spec.in = spec.out = true;
  auto streams = w.engine->exec(id, spec);
  REQUIRE(streams.ok());
  char buffer[8];
  CHECK(::read(streams.value()->out.get(), buffer, sizeof buffer) == 3);
  CHECK(::read(streams.value()->out.get(), buffer, sizeof buffer) == 0);
  CHECK_FALSE(streams.value()->err.valid());
  CHECK(streams.value()->in.valid());
  CHECK(sys::poll_readable(streams.value()->ended(), 5000).value());
  CHECK(streams.value()->exit_code().value() == 3);
  streams.value().reset();
  CHECK(w.host.monitor(pod)->sent().empty());  // it had ended: nothing to kill
  CHECK(w.engine->exec("nope", spec).error().code == Code::not_found);
  spec.command.clear();
  CHECK(w.engine->exec(id, spec).error().code == Code::invalid_argument);
}

TEST_CASE("an exec whose streams are given up is killed with its group", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.running(pod);
  std::vector<int> kept;
  w.host.monitor(pod)->on_exec = [&](FakeMonitor&, const monitor::Exec&, std::vector<int> fds) { kept = std::move(fds); };
  StreamSpec spec;
  spec.command = {"sleep"};
  spec.out = true;
  auto streams = w.engine->exec(id, spec);
  REQUIRE(streams.ok());
  streams.value().reset();
  REQUIRE(w.host.monitor(pod)->sent().size() == 1);
  CHECK_THAT(w.host.monitor(pod)->sent()[0], Catch::EndsWith(":9:all"));
  for (const int fd : kept) ::close(fd);
}

TEST_CASE("UpdateContainerResources is a patch, and goes back when it fails", "[engine]") {
  World w;
  ContainerSpec spec = web_container();
  spec.resources.memory_limit_in_bytes = 100 << 20;
  spec.resources.cpu_shares = 512;
  spec.resources.oom_score_adj = 5;
  const std::string id = w.container(w.pod(), spec);
  REQUIRE(w.engine->start_container(id).ok());
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

TEST_CASE("new limits of a container that was not started are in what it will get", "[engine]") {
  World w;
  const std::string pod = w.pod();
  ContainerSpec spec = web_container();
  spec.resources.memory_limit_in_bytes = 100 << 20;
  const std::string id = w.container(pod, spec);
  const std::string bundle = w.dir.path + "/run/pods/" + pod + "/containers/" + id;
  const auto config = [&] { return oci::parse_spec(sys::read_file(bundle + "/config.json", 1 << 20).take()).take(); };
  const oci::Spec before = config();
  LinuxResources patch;
  patch.memory_limit_in_bytes = 200 << 20;
  patch.oom_score_adj = 7;
  REQUIRE(w.engine->update_resources(id, patch).ok());
  w.restart();
  CHECK(w.record(id).state == ContainerState::created);
  CHECK(w.record(id).resources.memory_limit_in_bytes == 200 << 20);
  const oci::Spec after = config();
  CHECK(after.linux_.resources->memory->limit == 200 << 20);
  CHECK(after.linux_.resources->memory->swap == 200 << 20);
  CHECK(after.linux_.resources->devices.size() == before.linux_.resources->devices.size());
  CHECK(after.process->oom_score_adj == 7);
  CHECK(oci::parse_process(sys::read_file(bundle + "/process.json", 1 << 20).take()).take().oom_score_adj == 7);
  CHECK(w.host.applied.empty());  // there is no cgroup
  // The rest is as it was.
  oci::Spec rest = after;
  rest.linux_.resources = before.linux_.resources;
  rest.process->oom_score_adj = before.process->oom_score_adj;
  CHECK(oci::write_spec(rest) == oci::write_spec(before));

  patch.memory_swap_limit_in_bytes = 1 << 20;
  CHECK(w.engine->update_resources(id, patch).error().code == Code::invalid_argument);
  CHECK(w.record(id).resources.memory_limit_in_bytes == 200 << 20);
  CHECK(oci::write_spec(config()) == oci::write_spec(after));
  REQUIRE(w.engine->start_container(id).ok());
}

TEST_CASE("usage and logs are of running containers", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.container(pod);
  CHECK(w.engine->container_usage(id).error().code == Code::failed_precondition);
  CHECK(w.engine->reopen_log(id).error().code == Code::failed_precondition);
  CHECK(w.engine->pod_usage(pod, UsageDetail::counters).value().containers.empty());
  REQUIRE(w.engine->start_container(id).ok());
  const auto usage = w.engine->container_usage(id);
  REQUIRE(usage.ok());
  CHECK(usage.value().container.id == id);
  CHECK(usage.value().cgroup.cpu.usage_usec == 7);
  CHECK(usage.value().cgroup.memory->working_set() == 700);
  CHECK(usage.value().processes == 3);
  CHECK(usage.value().writable_layer.used_bytes == 4096);
  CHECK(w.engine->reopen_log(id).ok());
}

TEST_CASE("usage of a pod: its cgroup, its running containers; of one that is stopped, none", "[engine]") {
  World w;
  const std::string pod = w.pod();
  const std::string id = w.container(pod);
  REQUIRE(w.engine->start_container(id).ok());
  const auto usage = w.engine->pod_usage(pod, UsageDetail::counters);
  REQUIRE(usage.ok());
  CHECK(usage.value().pod.id == pod);
  CHECK(usage.value().processes == 3);
  REQUIRE(usage.value().containers.size() == 1);
  CHECK(usage.value().containers[0].container.id == id);
  CHECK(usage.value().files.descriptors == 0);  // nobody asked
  int sockets[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
  const UniqueFd first(sockets[0]), second(sockets[1]);
  const auto files = w.engine->pod_usage(pod, UsageDetail::processes).take().files;  // the fake's processes: this one, three times
  CHECK(files.sockets >= 6);
  CHECK(files.descriptors >= files.sockets + 3);
  CHECK(w.engine->pod_usage("none", UsageDetail::counters).error().code == Code::not_found);
  REQUIRE(w.engine->stop_pod(pod).ok());
  CHECK(w.engine->pod_usage(pod, UsageDetail::counters).error().code == Code::failed_precondition);
}

TEST_CASE("a pod's resources are noted and survive", "[engine]") {
  World w;
  const std::string pod = w.pod();
  LinuxResources overhead, resources;
  overhead.cpu_shares = 10;
  resources.memory_limit_in_bytes = 1 << 20;
  REQUIRE(w.engine->update_pod_resources(pod, overhead, resources).ok());
  CHECK(w.engine->find_pod(pod).value().spec.overhead.cpu_shares == 10);
  CHECK(w.engine->find_pod(pod).value().spec.resources.memory_limit_in_bytes == 1 << 20);
  CHECK(w.host.applied.empty());  // the pod's cgroup is the kubelet's
  CHECK(w.engine->update_pod_resources("none", overhead, resources).error().code == Code::not_found);
}

TEST_CASE("events tell of pods and containers in the order of what happened", "[engine]") {
  World w;
  const auto listener = w.engine->events().subscribe(now_realtime());
  const std::string pod = w.pod();
  const std::string id = w.container(pod);
  REQUIRE(w.engine->start_container(id).ok());
  REQUIRE(w.engine->stop_container(id, std::chrono::seconds(1)).ok());
  REQUIRE(w.engine->remove_container(id).ok());
  REQUIRE(w.engine->remove_pod(pod).ok());
  using Type = PodEventType;
  const std::vector<std::pair<Type, std::string>> wanted = {{Type::created, pod}, {Type::started, pod}, {Type::created, id},
                                                            {Type::started, id},  {Type::stopped, id},  {Type::deleted, id},
                                                            {Type::stopped, pod}, {Type::deleted, pod}};
  for (const auto& [type, about] : wanted) {
    const auto event = listener->front();
    REQUIRE(event.ok());
    REQUIRE(event.value());
    CHECK(event.value()->type == type);
    CHECK(event.value()->id == about);
    CHECK(event.value()->pod_id == pod);
    listener->pop();
  }
  CHECK_FALSE(listener->front().value());
  // The pod is gone, and what was last known of it is still there for its last event.
  const auto last = w.engine->view(pod);
  REQUIRE(last.ok());
  CHECK(last.value().pod.spec.metadata.name == "web");
  CHECK(last.value().pod.state == PodState::not_ready);
  CHECK(last.value().containers.empty());
  CHECK_FALSE(w.engine->snapshot()->pods.contains(pod));
}
