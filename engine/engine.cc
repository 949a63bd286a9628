// The engine as slipwayd owns it: opened under the root's lock, recovered, then each verb is its operation.
#include "engine/engine.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/fault.h"
#include "base/log.h"
#include "base/weaken.h"
#include "engine/engine_impl.h"
#include "engine/host_cgroups.h"
#include "engine/monitor_starter.h"
#include "engine/op/ops.h"
#include "engine/recover.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

// One slipwayd per root: two would both answer for the same pods. The lock goes with the process, however it ends.
Result<UniqueFd> lock_root(const std::string& root) {
  TRY_ASSIGN(UniqueFd file, sys::open_path(root + "/slipway.lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
  if (errno == EWOULDBLOCK) return fail(Code::failed_precondition, "another slipwayd works on '{}'", root);
  return fail_errno(errno, "lock '{}'", root);
}

Result<void> make_private(const std::string& path) {
  if (::chmod(path.c_str(), weakened(Defence::private_directories) ? 0755 : 0700) != 0) return fail_errno(errno, "make '{}' private", path);
  return {};
}

Result<std::string> read_boot_id() {
  TRY_ASSIGN(std::string text, sys::read_file("/proc/sys/kernel/random/boot_id", 64));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// A full id first; else the one that begins so.
template <class Record>
Result<Record> find_by_prefix(const std::map<std::string, Held<Record>>& records, const std::string& id, const char* what) {
  const auto first = records.lower_bound(id);
  if (id.empty() || first == records.end() || first->first.compare(0, id.size(), id) != 0)
    return fail(Code::not_found, "there is no {} '{}'", what, id);
  const auto second = std::next(first);
  const bool ambiguous = first->first != id && second != records.end() && second->first.compare(0, id.size(), id) == 0;
  if (ambiguous) return fail(Code::invalid_argument, "more than one {} begins with '{}'", what, id);
  return *first->second;
}

class EngineImpl final : public Engine {
 public:
  EngineImpl(UniqueFd lock, EngineOptions options, EngineParts parts)
      : lock_(std::move(lock)), cgroups_(std::move(parts.cgroups)), starter_(std::move(parts.starter)) {
    context_.options = std::move(options);
    context_.host = std::move(parts.host);
    context_.labeller = std::move(parts.labeller);
    context_.boot_id = std::move(parts.boot_id);
    context_.images = parts.images;
    context_.network = parts.network;
    context_.cgroups = cgroups_.get();
    context_.starter = starter_.get();
  }
  ~EngineImpl() override { shut_down(); }
  EngineImpl(const EngineImpl&) = delete;
  EngineImpl& operator=(const EngineImpl&) = delete;

  Result<void> begin() {
    TRY_ASSIGN(context_.store, Store::open(context_.options.root + "/slipway.db", context_.events));
    const fault::Operation operation("Recover");
    TRY(recover(context_));
    if (context_.host.apparmor && context_.host.apparmor_parser) load_apparmor_early();
    return {};
  }

  Result<std::string> run_pod(PodSpec spec) override {
    const fault::Operation operation("RunPodSandbox");
    return engine::run_pod(context_, std::move(spec));
  }
  Result<void> stop_pod(const std::string& id) override {
    const fault::Operation operation("StopPodSandbox");
    return engine::stop_pod(context_, id);
  }
  Result<void> remove_pod(const std::string& id) override {
    const fault::Operation operation("RemovePodSandbox");
    return engine::remove_pod(context_, id);
  }
  Result<std::string> create_container(const std::string& pod_id, ContainerSpec spec) override {
    const fault::Operation operation("CreateContainer");
    return engine::create_container(context_, pod_id, std::move(spec));
  }
  Result<void> start_container(const std::string& id) override {
    const fault::Operation operation("StartContainer");
    return engine::start_container(context_, id);
  }
  Result<void> stop_container(const std::string& id, std::chrono::seconds grace) override {
    const fault::Operation operation("StopContainer");
    return engine::stop_container(context_, id, grace);
  }
  Result<void> remove_container(const std::string& id) override {
    const fault::Operation operation("RemoveContainer");
    return engine::remove_container(context_, id);
  }
  Result<ExecOutput> exec_sync(const std::string& id, const std::vector<std::string>& command, std::chrono::seconds timeout) override {
    const fault::Operation operation("ExecSync");
    return engine::exec_sync(context_, id, command, timeout);
  }
  Result<std::unique_ptr<ProcessStreams>> exec(const std::string& id, const StreamSpec& spec) override {
    return engine::exec(context_, id, spec);
  }
  Result<std::unique_ptr<ProcessStreams>> attach(const std::string& id, const StreamSpec& spec) override {
    return engine::attach(context_, id, spec);
  }
  Result<UniqueFd> dial(const std::string& pod_id, std::uint32_t port) override { return engine::dial(context_, pod_id, port); }
  Result<void> reopen_log(const std::string& id) override {
    const fault::Operation operation("ReopenContainerLog");
    return engine::reopen_log(context_, id);
  }
  Result<void> checkpoint_container(const std::string& id, const std::string& location, std::chrono::seconds timeout) override {
    const fault::Operation operation("CheckpointContainer");
    return engine::checkpoint_container(context_, id, location, timeout);
  }
  Result<void> update_resources(const std::string& id, const LinuxResources& patch) override {
    const fault::Operation operation("UpdateContainerResources");
    return engine::update_resources(context_, id, patch);
  }
  Result<void> update_pod_resources(const std::string& id, const LinuxResources& overhead, const LinuxResources& resources) override {
    const fault::Operation operation("UpdatePodSandboxResources");
    return engine::update_pod_resources(context_, id, overhead, resources);
  }
  Result<ContainerUsage> container_usage(const std::string& id) override { return engine::container_usage(context_, id); }
  Result<PodUsage> pod_usage(const std::string& id, UsageDetail detail) override { return engine::pod_usage(context_, id, detail); }

  std::shared_ptr<const Snapshot> snapshot() const override { return context_.store->snapshot(); }
  Result<PodView> view(const std::string& pod_id) const override {
    if (auto view = context_.store->view(pod_id)) return std::move(*view);
    if (auto last = context_.events.gone(pod_id)) return PodView{std::move(*last), {}};
    return fail(Code::not_found, "there is no pod '{}'", pod_id);
  }
  PodEvents& events() override { return context_.events; }
  Result<PodRecord> find_pod(const std::string& id) const override { return find_by_prefix(snapshot()->pods, id, "pod"); }
  Result<ContainerRecord> find_container(const std::string& id) const override {
    return find_by_prefix(snapshot()->containers, id, "container");
  }

  void shut_down() override {
    context_.chores.stop();
    context_.network_chores.stop();
    for (const auto& client : context_.monitors.take_all()) client->close();
  }

 private:
  // Its compiler works for half a second: better now than in the first CreateContainer. Where it fails, the container that needs it is
  // told.
  void load_apparmor_early() {
    context_.chores.add("load the default AppArmor profile", [this]() -> Result<void> {
      if (const auto loaded = context_.apparmor.need_default(); !loaded.ok()) log::warn("AppArmor: {}", loaded.error().message);
      return {};
    });
  }

  UniqueFd lock_;
  std::unique_ptr<Cgroups> cgroups_;
  std::unique_ptr<MonitorStarter> starter_;
  Context context_;
};

}  // namespace

Result<std::unique_ptr<Engine>> open_engine(EngineOptions options, EngineParts parts) {
  if (options.cgroup_driver != "cgroupfs" && options.cgroup_driver != kSystemdDriver)
    return fail(Code::invalid_argument, "there is no cgroup driver '{}'", options.cgroup_driver);
  // 0700: environments and layers are nobody else's (attack 40).
  TRY(sys::make_directories(options.root, 0700));
  TRY(sys::make_directories(options.state + "/pods", 0700));
  for (const std::string& path : {options.root, options.state, options.state + "/pods"}) TRY(make_private(path));
  TRY_ASSIGN(UniqueFd lock, lock_root(options.root));
  auto engine = std::make_unique<EngineImpl>(std::move(lock), std::move(options), std::move(parts));
  TRY(engine->begin());
  return std::unique_ptr<Engine>(std::move(engine));
}

Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options, Images& images, Network& network) {
  EngineParts parts;
  parts.images = &images;
  parts.network = &network;
  TRY_ASSIGN(parts.cgroups, open_host_cgroups(options.cgroup_driver));
  TRY_ASSIGN(parts.host, probe_host());
  TRY_ASSIGN(parts.boot_id, read_boot_id());
  TRY_ASSIGN(parts.starter, ProgramStarter::open(options.monitor_program));
  return open_engine(std::move(options), std::move(parts));
}

}  // namespace slipway::engine
