// A pod under a real monitor, as slipwayd would have it, in a temporary directory and cgroups of its own (root).
#pragma once

#include <fcntl.h>
#include <sys/mount.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "cgroups/cgroup.h"
#include "engine/monitor_starter.h"
#include "oci/parse.h"
#include "sys/file.h"
#include "tests/unit/slurp.h"
#include "tests/unit/temp_dir.h"

namespace slipway::test {

using namespace std::chrono_literals;

// The events of a pod, as they come.
class Events {
 public:
  void add(const monitor::Event& event) {
    const std::lock_guard lock(mutex_);
    all_.push_back(event);
    changed_.notify_all();
  }
  void lose() {
    const std::lock_guard lock(mutex_);
    lost_ = true;
    changed_.notify_all();
  }
  bool wait_lost() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [this] { return lost_; });
  }
  // The exit of that container or session; fails the test when it does not come.
  monitor::ExitRecord wait_exit(const std::string& id) {
    std::unique_lock lock(mutex_);
    monitor::ExitRecord found;
    const bool came = changed_.wait_for(lock, 20s, [&] {
      for (const auto& e : all_) {
        if (e.has_exited() && e.exited().id() == id) return found = e.exited().exit(), true;
        if (e.has_exec_exited() && e.exec_exited().id() == id) return found = e.exec_exited().exit(), true;
      }
      return false;
    });
    REQUIRE(came);
    return found;
  }
  std::vector<monitor::Event> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<monitor::Event> all_;
  bool lost_ = false;
};

class PodFixture {
 public:
  PodFixture() {
    auto opened = engine::ProgramStarter::open(SLIPWAY_BINARY_DIR "/bin/slipway-monitor");
    REQUIRE(opened.ok());
    starter = std::move(opened).take();
    auto root_opened = cgroups::open_root();
    REQUIRE(root_opened.ok());
    root = std::move(root_opened).take();
    pod_id = make_id();
    top = "/slipway-test-" + pod_id.substr(0, 12);
    for (const char* part : {"/pod", "/monitor"}) REQUIRE(cgroups::Cgroup::create(root, top + part).ok());
    std::filesystem::create_directories(rootfs + "/bin");
    for (const char* d : {"/proc", "/dev", "/tmp", "/sys"}) std::filesystem::create_directories(rootfs + d);
    std::filesystem::copy_file("/bin/busybox", rootfs + "/bin/busybox");
    REQUIRE(std::filesystem::create_directory(dir.path + "/pod"));
    std::filesystem::permissions(dir.path + "/pod", std::filesystem::perms::owner_all);
    config.set_version(1);
    config.set_pod_id(pod_id);
    config.set_directory(dir.path + "/pod");
    config.set_netns_path(dir.path + "/netns/test");
    config.set_hostname("test-pod");
    config.set_cgroup(top + "/pod");
    config.set_monitor_cgroup(top + "/monitor");
    config.set_shm_size(1 << 20);
  }
  ~PodFixture() {
    if (client) client->close();
    (void)cgroups::Cgroup::kill_and_remove(root, top, 5000);
    for (const std::string& path : {config.netns_path(), dir.path + "/netns", config.directory() + "/shm", config.directory() + "/files"})
      ::umount2(path.c_str(), MNT_DETACH);
  }

  engine::MonitorHooks hooks(Events& into) {
    engine::MonitorHooks out;
    out.on_event = [&into](engine::MonitorClient&, const monitor::Event& event) { into.add(event); };
    out.on_lost = [&into] { into.lose(); };
    return out;
  }
  void start() {
    auto started = starter->start(config, hooks(events));
    if (!started.ok()) FAIL(started.error().message);
    client = std::move(started).take();
  }
  Result<engine::MonitorReply> call(monitor::Request request, std::span<const int> fds = {}) {
    return client->call(std::move(request), fds, 30s);
  }
  Result<void> shut_down() {
    monitor::Request request;
    request.mutable_shutdown();
    TRY(call(std::move(request)));
    return {};
  }

  // A specification that runs `args` of busybox in the pod's namespaces and a PID namespace of its own.
  oci::Spec spec(std::vector<std::string> args) const {
    oci::Spec out;
    out.oci_version = "1.2.0";
    out.process.emplace();
    out.process->args = std::move(args);
    out.process->env = {"PATH=/bin", "SECRET=kept-out-of-the-monitor"};
    out.root = oci::Root{rootfs, true};
    const auto& names = client->welcome().namespaces();
    out.linux_.namespaces = {{oci::NamespaceType::mount, ""}, {oci::NamespaceType::pid, names.pid()}, {oci::NamespaceType::cgroup, ""}};
    if (!names.network().empty()) out.linux_.namespaces.push_back({oci::NamespaceType::network, names.network()});
    if (!names.ipc().empty()) out.linux_.namespaces.push_back({oci::NamespaceType::ipc, names.ipc()});
    if (!names.uts().empty()) out.linux_.namespaces.push_back({oci::NamespaceType::uts, names.uts()});
    out.mounts = {{"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}, {}, {}},
                  {"/dev", "tmpfs", "tmpfs", {"nosuid", "mode=755"}, {}, {}},
                  {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}, {}, {}},
                  {"/tmp", "tmpfs", "tmpfs", {}, {}, {}}};
    if (!names.shm().empty()) out.mounts.push_back({"/dev/shm", "bind", names.shm(), {"rbind", "rw"}, {}, {}});
    return out;
  }
  std::string log_of(const std::string& id) const { return dir.path + "/" + id + ".log"; }
  monitor::Request create_request(const std::string& id, const oci::Spec& spec) const {
    const std::string bundle = dir.path + "/bundle-" + id;
    std::filesystem::create_directories(bundle);
    std::ofstream(bundle + "/config.json") << oci::write_spec(spec);
    monitor::Request request;
    auto& create = *request.mutable_create();
    create.set_id(id);
    create.set_bundle(bundle);
    create.set_log_path(log_of(id));
    create.set_tty(spec.process->terminal);
    create.set_cgroup(top + "/pod/" + id);
    return request;
  }
  std::uint32_t create(const std::string& id, const oci::Spec& made) {
    auto reply = call(create_request(id, made));
    if (!reply.ok()) FAIL(reply.error().message);
    return reply.value().reply.pid();
  }
  Result<void> start(const std::string& id) {
    monitor::Request request;
    request.mutable_start()->set_id(id);
    TRY(call(std::move(request)));
    return {};
  }
  void run(const std::string& id, const std::string& script) {
    create(id, spec({"/bin/busybox", "sh", "-c", script}));
    const auto started = start(id);
    if (!started.ok()) FAIL(started.error().message);
  }
  Result<void> signal(const std::string& id, int number, bool all = false) {
    monitor::Request request;
    request.mutable_signal()->set_id(id);
    request.mutable_signal()->set_signal(static_cast<std::uint32_t>(number));
    request.mutable_signal()->set_all(all);
    TRY(call(std::move(request)));
    return {};
  }
  Result<void> remove(const std::string& id) {
    monitor::Request request;
    request.mutable_remove()->set_id(id);
    TRY(call(std::move(request)));
    return {};
  }
  // The log without times.
  std::string log_lines(const std::string& id) const {
    std::istringstream in(slurp(log_of(id)));
    std::string out;
    for (std::string line; std::getline(in, line);) out += line.substr(31) + "\n";
    return out;
  }
  std::string monitor_proc(const std::string& file) const {
    return "/proc/" + std::to_string(client->welcome().monitor_pid()) + (file.empty() ? "" : "/" + file);
  }

  TempDir dir;
  std::string rootfs = dir.path + "/rootfs";
  std::unique_ptr<engine::ProgramStarter> starter;
  cgroups::Root root;
  std::string pod_id, top;
  monitor::PodConfig config;
  Events events;
  std::shared_ptr<engine::MonitorClient> client;
};

inline Result<engine::MonitorReply> exec(PodFixture& pod, const std::string& id, const std::string& container, const oci::Process& process,
                                         std::span<const int> stdio = {}) {
  const std::string path = pod.dir.path + "/process-" + id;
  std::ofstream(path) << oci::write_process(process);
  const auto fd = sys::open_path(path, O_RDONLY);
  monitor::Request request;
  auto& e = *request.mutable_exec();
  e.set_id(id);
  e.set_container_id(container);
  e.set_process_fd(true);
  e.set_part(true);
  e.set_tty(process.terminal);
  e.set_has_stdin(stdio.size() > 0);
  e.set_has_stdout(stdio.size() > 1);
  e.set_has_stderr(stdio.size() > 2);
  std::vector<int> fds = {fd.value().get()};
  fds.insert(fds.end(), stdio.begin(), stdio.end());
  return pod.call(std::move(request), fds);
}

inline oci::Process shell(const std::string& script) {
  oci::Process process;
  process.args = {"/bin/busybox", "sh", "-c", script};
  process.env = {"PATH=/bin"};
  return process;
}

}  // namespace slipway::test
