// Images, network, cgroups and monitors that live in the test.
#include "tests/unit/engine/fakes.h"

#include <fcntl.h>
#include <unistd.h>

#include "oci/parse.h"

namespace slipway::engine::test {
namespace {

class FakeCgroups final : public Cgroups {
 public:
  explicit FakeCgroups(FakeHost& host) : host_(host) {}
  Result<void> make(const std::string& path) override {
    TRY(host_.faults.pass("cgroup"));
    const std::lock_guard lock(host_.mutex);
    host_.cgroups.insert(path);
    return {};
  }
  Result<void> kill_and_remove(const std::string& path) override {
    std::vector<std::shared_ptr<FakeMonitor>> monitors;
    {
      const std::lock_guard lock(host_.mutex);
      std::erase_if(host_.cgroups, [&](const std::string& at) { return at == path || at.starts_with(path + "/"); });
      for (auto& [id, monitor] : host_.monitors) monitors.push_back(monitor);
    }
    for (const auto& monitor : monitors) monitor->kill_cgroup(path);
    return {};
  }
  Result<void> apply(const std::string& path, const oci::Resources& resources) override {
    TRY(host_.faults.pass("apply"));
    const std::lock_guard lock(host_.mutex);
    host_.applied[path].push_back(oci::write_resources(resources));
    return {};
  }
  Result<void> set_oom_score(const std::string&, int) override { return host_.faults.pass("oom"); }
  Result<cgroups::Stats> stats(const std::string&) override {
    cgroups::Stats stats;
    stats.cpu.usage_usec = 7;
    cgroups::Memory memory;
    memory.current = 1000;
    memory.max = 5000;
    memory.stat.inactive_file = 300;
    stats.memory = memory;
    return stats;
  }
  Result<std::vector<pid_t>> processes(const std::string&) override { return std::vector<pid_t>(3, ::getpid()); }

 private:
  FakeHost& host_;
};

class FakeStarter final : public MonitorStarter {
 public:
  explicit FakeStarter(FakeHost& host) : host_(host) {}
  Result<std::shared_ptr<MonitorClient>> start(const monitor::PodConfig& config, MonitorHooks hooks) override {
    TRY(host_.faults.pass("monitor"));
    auto monitor = std::make_shared<FakeMonitor>(config);
    {
      const std::lock_guard lock(host_.mutex);
      host_.monitors[config.pod_id()] = monitor;
    }
    return connect(monitor, std::move(hooks));
  }
  Result<std::shared_ptr<MonitorClient>> adopt(const std::string& pod_id, const std::string&, std::uint64_t, MonitorHooks hooks) override {
    TRY(host_.faults.pass("adopt"));
    const auto monitor = host_.monitor(pod_id);
    if (!monitor || monitor->dead) return fail(Code::unavailable, "nobody listens");
    return connect(monitor, std::move(hooks));
  }

 private:
  static Result<std::shared_ptr<MonitorClient>> connect(const std::shared_ptr<FakeMonitor>& monitor, MonitorHooks hooks) {
    std::shared_ptr<MonitorClient> client = std::make_shared<FakeClient>(monitor);
    monitor->attach(std::move(hooks), client);
    return client;
  }
  FakeHost& host_;
};

}  // namespace

Result<MonitorReply> FakeMonitor::handle(const monitor::Request& request, std::span<const int> fds) {
  const std::lock_guard lock(mutex_);
  MonitorReply reply;
  const auto refused = [&](const char* what) -> Result<void> {
    if (!refuse.contains(what)) return {};
    return fail(refuse.at(what), "the monitor refuses {}", what);
  };
  if (dead) return fail(Code::unavailable, "the monitor is dead");
  switch (request.call_case()) {
    case monitor::Request::kCreate:
      TRY(refused("create"));
      if (containers_.contains(request.create().id())) return fail(Code::already_exists, "there is one");
      created_ = request.create();
      containers_[created_.id()].cgroup = created_.cgroup();
      if (on_create) on_create(*this, created_.id());
      reply.reply.set_pid(4242);
      return reply;
    case monitor::Request::kStart: {
      TRY(refused("start"));
      const auto found = containers_.find(request.start().id());
      if (found == containers_.end() || found->second.state != monitor::ContainerState::CREATED)
        return fail(Code::failed_precondition, "it does not wait");
      found->second.state = monitor::ContainerState::RUNNING;
      return reply;
    }
    case monitor::Request::kSignal: {
      const auto& signal = request.signal();
      signals.push_back(fmt::format("{}:{}{}", signal.id(), signal.signal(), signal.all() ? ":all" : ""));
      if (!containers_.contains(signal.id())) {
        if (signal.signal() == 9) exec_exit(signal.id(), 137);
      } else if (signal.signal() == 9) {
        exit(signal.id(), 137);
      } else if (obeys_term) {
        exit(signal.id(), 143);
      }
      return reply;
    }
    case monitor::Request::kRemove: {
      const auto found = containers_.find(request.remove().id());
      if (found == containers_.end()) return reply;
      if (found->second.state != monitor::ContainerState::EXITED) return fail(Code::failed_precondition, "it runs");
      containers_.erase(found);
      return reply;
    }
    case monitor::Request::kExec: {
      TRY(refused("exec"));
      std::vector<int> mine;
      for (const int fd : fds) mine.push_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
      if (on_exec) on_exec(*this, request.exec(), mine);
      return reply;
    }
    case monitor::Request::kReopenLog: TRY(refused("reopen")); return reply;
    case monitor::Request::kShutdown:
      TRY(refused("shutdown"));
      for (auto& [id, container] : containers_) exit(id, 137);
      dead = true;
      return reply;
    default: return fail(Code::unimplemented, "the fake monitor does not know this");
  }
}

void FakeMonitor::exit(const std::string& id, int code, bool oom) {
  const std::lock_guard lock(mutex_);
  const auto found = containers_.find(id);
  if (found == containers_.end() || found->second.state == monitor::ContainerState::EXITED) return;
  found->second.state = monitor::ContainerState::EXITED;
  found->second.exit.set_code(code);
  found->second.exit.set_finished_at(now_realtime());
  found->second.exit.set_oom_killed(oom);
  monitor::Event event;
  event.mutable_exited()->set_id(id);
  *event.mutable_exited()->mutable_exit() = found->second.exit;
  push(std::move(event));
}

void FakeMonitor::exec_exit(const std::string& id, int code) {
  monitor::Event event;
  event.mutable_exec_exited()->set_id(id);
  event.mutable_exec_exited()->mutable_exit()->set_code(code);
  push(std::move(event));
}

void FakeMonitor::kill_cgroup(const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> hit;
  for (const auto& [id, container] : containers_)
    if (container.cgroup == path || container.cgroup.starts_with(path + "/")) hit.push_back(id);
  for (const std::string& id : hit) exit(id, 137);
}

void FakeMonitor::push(monitor::Event event) {
  const std::lock_guard lock(mutex_);
  event.set_sequence(++sequence_);
  events_.push_back(std::move(event));
  deliver();
}

void FakeMonitor::deliver() {
  const std::lock_guard lock(mutex_);
  const auto client = client_.lock();
  if (!client || dead) return;
  const auto events = events_;
  for (const auto& event : events) {
    if (event.sequence() <= told_) continue;
    told_ = event.sequence();
    hooks_.on_event(*client, event);
  }
}

monitor::Welcome FakeMonitor::welcome() {
  const std::lock_guard lock(mutex_);
  monitor::Welcome welcome;
  welcome.set_pod_id(config_.pod_id());
  welcome.set_monitor_pid(4000);
  auto& namespaces = *welcome.mutable_namespaces();
  namespaces.set_network(config_.netns_path());
  if (!config_.host_ipc()) namespaces.set_ipc("/proc/4000/fd/11");
  if (!config_.hostname().empty()) namespaces.set_uts("/proc/4000/fd/12");
  if (config_.share_pid()) namespaces.set_pid("/proc/4001/ns/pid");
  if (config_.uid_maps_size() > 0) namespaces.set_user("/proc/4000/fd/13");
  namespaces.set_shm(config_.directory() + "/shm");
  namespaces.set_files(config_.directory() + "/files");
  auto& stage = *welcome.add_stages();
  stage.set_name("namespaces");
  stage.set_start(now_monotonic());
  stage.set_duration(1000);
  for (const auto& [id, container] : containers_) {
    auto& told = *welcome.add_containers();
    told.set_id(id);
    told.set_state(container.state);
    told.set_cgroup(container.cgroup);
    *told.mutable_exit() = container.exit;
  }
  return welcome;
}

void FakeMonitor::attach(MonitorHooks hooks, const std::shared_ptr<MonitorClient>& client) {
  const std::lock_guard lock(mutex_);
  hooks_ = std::move(hooks);
  client_ = client;
  told_ = 0;
  deliver();
}

void FakeMonitor::detach() {
  const std::lock_guard lock(mutex_);
  client_.reset();
  hooks_ = {};
}

monitor::CreateContainer FakeMonitor::created() {
  const std::lock_guard lock(mutex_);
  return created_;
}

bool FakeMonitor::knows(const std::string& id) {
  const std::lock_guard lock(mutex_);
  return containers_.contains(id);
}

std::size_t FakeMonitor::kept_events() {
  const std::lock_guard lock(mutex_);
  return events_.size();
}

std::vector<std::string> FakeMonitor::sent() {
  const std::lock_guard lock(mutex_);
  return signals;
}

Result<MonitorReply> FakeClient::call(monitor::Request request, std::span<const int> fds, std::chrono::milliseconds) {
  return monitor_->handle(request, fds);
}

Result<void> FakeClient::acknowledge(std::uint64_t sequence) {
  const std::lock_guard lock(monitor_->mutex_);
  std::erase_if(monitor_->events_, [&](const monitor::Event& event) { return event.sequence() <= sequence; });
  return {};
}

void FakeClient::close() {
  monitor_->detach();
}

Result<std::unique_ptr<Engine>> FakeHost::open(const std::string& directory, const std::string& boot_id) {
  EngineOptions options;
  options.root = directory + "/lib";
  options.state = directory + "/run";
  options.netns_directory = directory + "/netns";
  options.cgroup_driver = "cgroupfs";
  options.seccomp_localhost_root = directory + "/seccomp";
  options.runtimes = runtimes;
  EngineParts parts;
  parts.images = &images;
  parts.network = &network;
  parts.cgroups = std::make_unique<FakeCgroups>(*this);
  parts.starter = std::make_unique<FakeStarter>(*this);
  parts.host.hostname = "node-1";
  parts.host.swap_accounting = true;
  parts.host.selinux = selinux;
  parts.labeller = labeller;
  parts.boot_id = boot_id;
  return open_engine(std::move(options), std::move(parts));
}

std::shared_ptr<FakeMonitor> FakeHost::monitor(const std::string& pod_id) {
  const std::lock_guard lock(mutex);
  const auto found = monitors.find(pod_id);
  return found == monitors.end() ? nullptr : found->second;
}

std::size_t FakeHost::living_monitors() {
  const std::lock_guard lock(mutex);
  std::size_t living = 0;
  for (const auto& [id, monitor] : monitors) living += monitor->dead ? 0 : 1;
  return living;
}

void FakeHost::lose(const std::string& pod_id) {
  const auto monitor_of_pod = monitor(pod_id);
  std::function<void()> on_lost;
  {
    const std::lock_guard lock(monitor_of_pod->mutex_);
    monitor_of_pod->dead = true;
    if (!monitor_of_pod->client_.expired()) on_lost = monitor_of_pod->hooks_.on_lost;
  }
  if (on_lost) on_lost();
}

PodSpec web_pod(const std::string& name) {
  PodSpec spec;
  spec.metadata = {name, "uid-" + name, "default", 0};
  spec.hostname = name;
  spec.log_directory = "";
  return spec;
}

ContainerSpec web_container(const std::string& name) {
  ContainerSpec spec;
  spec.metadata = {name, 0};
  spec.image = "registry.test/web:1";
  return spec;
}

bool eventually(const std::function<bool()>& condition) {
  for (int tries = 0; tries < 1000; ++tries) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // lint: allow sleep, because it is the pause of a poll with an end
  }
  return condition();
}

}  // namespace slipway::engine::test
