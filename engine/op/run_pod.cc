// RunPodSandbox: intent → files → cgroup → monitor (makes and pins the namespaces) → CNI → commit.
#include <sys/random.h>

#include <algorithm>
#include <set>

#include "base/ids.h"
#include "base/log.h"
#include "engine/cgroup_names.h"
#include "engine/events.h"
#include "engine/network_ops.h"
#include "engine/op/ops.h"
#include "engine/pod_files.h"
#include "engine/pod_remains.h"
#include "engine/spec/sysctls.h"
#include "engine/stage_timer.h"
#include "engine/told.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

constexpr std::int64_t kShmSize = 64 << 20;

std::string name_of(const PodMetadata& m) {
  return fmt::format("{}/{} (uid {}, attempt {})", m.namespace_, m.name, m.uid, m.attempt);
}

// Namespaces of the host's belong to the host's user namespace: a pod's root has no say in them, and the kernel refuses it their proc and
// sysfs. The kubelet does not ask for it either.
Result<void> check_user_namespace(const NamespaceOptions& namespaces) {
  for (const auto& [name, mode] :
       {std::pair{"network", namespaces.network}, std::pair{"pid", namespaces.pid}, std::pair{"ipc", namespaces.ipc}})
    if (mode == NamespaceMode::node)
      return fail(Code::invalid_argument, "namespace_options.{}: NODE and a user namespace of the pod's own exclude each other", name);
  for (const auto& [name, maps] : {std::pair{"uids", &namespaces.uid_mappings}, std::pair{"gids", &namespaces.gid_mappings}})
    if (std::none_of(maps->begin(), maps->end(), [](const oci::IdMapping& m) { return m.container_id == 0; }))
      return fail(Code::invalid_argument, "userns_options.{}: id 0 is not mapped, the pod would have no root", name);
  return {};
}

Result<void> check(const PodSpec& spec) {
  const PodMetadata& metadata = spec.metadata;
  if (metadata.name.empty() || metadata.namespace_.empty() || metadata.uid.empty())
    return fail(Code::invalid_argument, "a pod needs a name, a namespace and a uid");
  const SecurityContext& security = spec.security;
  if (security.run_as_group && !security.run_as_user && security.run_as_username.empty())
    return fail(Code::invalid_argument, "run_as_group needs run_as_user");
  if (security.namespaces.userns) TRY(check_user_namespace(security.namespaces));
  if (security.namespaces.network != NamespaceMode::pod && security.namespaces.network != NamespaceMode::node)
    return fail(Code::invalid_argument, "a pod's network is its own or the host's");
  if (security.namespaces.ipc != NamespaceMode::pod && security.namespaces.ipc != NamespaceMode::node)
    return fail(Code::invalid_argument, "a pod's IPC is its own or the host's");
  if (security.namespaces.pid == NamespaceMode::target) return fail(Code::invalid_argument, "a pod's PID namespace has no target");
  return check_pod_text(spec);
}

void put_maps(const std::vector<oci::IdMapping>& from, google::protobuf::RepeatedPtrField<monitor::IdMap>& to) {
  for (const oci::IdMapping& mapping : from) {
    monitor::IdMap& map = *to.Add();
    map.set_inside(mapping.container_id);
    map.set_outside(mapping.host_id);
    map.set_count(mapping.size);
  }
}

std::set<std::string> levels_of(const Store& store) {
  std::set<std::string> taken;
  const auto snapshot = store.snapshot();
  for (const auto& [id, pod] : snapshot->pods) taken.insert(level_of(pod->process_label));
  for (const PodRecord& pod : store.pod_intents()) taken.insert(level_of(pod.process_label));
  return taken;
}

std::uint32_t random_below(std::uint32_t end) {
  std::uint32_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return 0;  // taken ones are passed over all the same
  return number % end;
}

class RunPod {
 public:
  RunPod(Context& context, PodSpec spec, std::shared_ptr<StageNote> note) : context_(context), timer_(std::move(note)) {
    pod_.id = make_id();
    pod_.spec = std::move(spec);
    pod_.boot_id = context.boot_id;
    pod_.created_at = now_realtime();
    paths_ = context.paths_of(pod_.id);
    host_network_ = pod_.spec.security.namespaces.network == NamespaceMode::node;
    hostname_ = pod_hostname(pod_, context.host.hostname);
  }

  Result<std::string> operator()() {
    TRY_ASSIGN(const auto guard, context_.pod_locks.lock(pod_.id, context_.timeouts.lock));
    Undo undo;
    const Result<void> made = make(undo);
    if (!made.ok()) {
      run_undo(undo, "pod " + pod_.id);
      return made.error();
    }
    undo.dismiss();
    tell_pod("pod started", pod_, begun_);
    return pod_.id;
  }

 private:
  Result<void> make(Undo& undo) {
    TRY_ASSIGN(pod_.runtime, context_.options.runtimes.resolve(pod_.spec.runtime_handler));
    if (pod_.spec.security.namespaces.userns && !context_.options.runtimes.find(pod_.runtime)->own())
      return fail(Code::invalid_argument, "userns_options: runtime handler '{}' runs no pods with a user namespace of their own",
                  pod_.runtime);
    TRY_ASSIGN(sysctls_, check_sysctls(pod_.spec));
    TRY_ASSIGN(const auto shm, shm_size(pod_.spec.annotations, context_.options.annotations));
    shm_size_ = shm.value_or(kShmSize);
    TRY_ASSIGN(pod_.cgroup, pod_cgroup(context_.options.cgroup_driver, pod_.spec.cgroup_parent, pod_.id));
    timer_.begin("intent");  // everything below is findable from the id
    TRY(begin_labelled());
    TRY(undo.add("forget the record", [this] { return forget(); }));
    TRY(undo.add("remove the pod's directory", [this] { return remove_pod_directory(paths_); }));
    TRY(sys::make_directories(paths_.directory, 0700));
    TRY(sys::make_directories(paths_.files, 0755));
    timer_.begin("cgroup");
    TRY(undo.add("remove the pod's cgroups", [this] { return remove_cgroups(); }));
    TRY(context_.cgroups->make(pod_.cgroup));
    TRY(context_.cgroups->make(paths_.monitor_cgroup));
    TRY(start_monitor(undo));
    if (!host_network_) TRY(attach_network(undo));
    timer_.begin("files");
    TRY(write_pod_files(pod_.spec, paths_, hostname_, pod_.ips));
    timer_.end();
    pod_.state = PodState::ready;
    pod_.stages = timer_.take();
    return context_.store->commit(pod_);
  }

  // The record is where a level is taken: it is free again when the record goes, and a slipwayd that starts anew knows it.
  Result<void> begin_labelled() {
    if (!context_.host.selinux.enabled) return context_.store->begin(pod_);
    const std::lock_guard guard(context_.levels);
    std::string level = pod_.spec.security.selinux_level;
    if (level.empty() && context_.host.selinux.labels()) {
      TRY_ASSIGN(level, pick_level(level_of(context_.host.selinux.process), levels_of(*context_.store), random_below));
    }
    TRY_ASSIGN(const SelinuxLabels labels, pod_labels(context_.host.selinux, pod_.spec.security, level));
    TRY(check_labels(context_.host.selinux, labels));
    pod_.process_label = labels.process;
    pod_.mount_label = labels.mount;
    return context_.store->begin(pod_);
  }

  Result<void> start_monitor(Undo& undo) {
    timer_.begin("monitor");
    monitor::PodConfig config;
    config.set_version(1);
    config.set_pod_id(pod_.id);
    config.set_directory(paths_.directory);
    if (!host_network_) {
      config.set_netns_path(paths_.netns);
      config.set_hostname(hostname_);
      config.set_enter_network(context_.options.monitors_enter_network);
      pod_.netns = paths_.netns;
    }
    const NamespaceOptions& namespaces = pod_.spec.security.namespaces;
    config.set_host_ipc(namespaces.ipc == NamespaceMode::node);
    config.set_host_pid(namespaces.pid == NamespaceMode::node);
    config.set_share_pid(namespaces.pid == NamespaceMode::pod);
    config.mutable_sysctls()->insert(sysctls_.begin(), sysctls_.end());
    config.set_cgroup(pod_.cgroup);
    config.set_monitor_cgroup(paths_.monitor_cgroup);
    config.set_shm_size(shm_size_);
    config.set_mount_label(pod_.mount_label);
    if (!pod_.mount_label.empty()) config.set_files_label(context_.host.selinux.file);
    if (namespaces.userns) {
      put_maps(namespaces.uid_mappings, *config.mutable_uid_maps());
      put_maps(namespaces.gid_mappings, *config.mutable_gid_maps());
    }
    if (fault::armed()) config.set_faults(fault::directory());
    TRY(undo.add("end the monitor", [this] { return shut_monitor_down(context_, pod_); }));
    TRY_ASSIGN(auto client, context_.starter->start(config, make_hooks(context_, pod_.id)));
    pod_.monitor_pid = client->welcome().monitor_pid();
    timer_.nest(client->welcome().stages());
    context_.monitors.put(pod_.id, std::move(client));
    return {};
  }

  Result<void> attach_network(Undo& undo) {
    timer_.begin("network");
    pod_.network_up = true;  // recorded before ADD: a DEL is owed from here on
    TRY(context_.store->begin(pod_));
    TRY(undo.add("give back the network", [this] { return detach_network(); }));
    TRY_ASSIGN(NetworkResult result, context_.network->attach(network_request(pod_)));
    pod_.ips = std::move(result.ips);
    pod_.network_result = std::move(result.cached);
    return {};
  }

  Result<void> remove_cgroups() {
    TRY(context_.cgroups->kill_and_remove(pod_.cgroup));
    return context_.cgroups->kill_and_remove(paths_.monitor_cgroup);
  }

  Result<void> detach_network() {
    TRY(context_.network->detach(network_request(pod_), pod_.network_result));
    pod_.network_up = false;
    return {};
  }

  // The last step back. With a network that could not be given back the pod stays, not ready, for Stop and Remove and the
  // background to finish.
  Result<void> forget() {
    if (!pod_.network_up) {
      TRY(remove_netns(paths_.netns));
      return context_.store->remove_pod(pod_.id);
    }
    pod_.state = PodState::not_ready;
    pod_.reason = "NetworkTeardownFailed";
    pod_.monitor_pid = 0;
    TRY(context_.store->commit(pod_));
    detach_in_background(context_, pod_.id);
    return {};
  }

  Context& context_;
  const MonotonicNanos begun_ = now_monotonic();
  PodRecord pod_;
  PodPaths paths_;
  bool host_network_ = false;
  std::string hostname_;
  std::map<std::string, std::string> sysctls_;
  std::int64_t shm_size_ = 0;
  StageTimer timer_;
};

}  // namespace

void run_undo(Undo& undo, const std::string& what) {
  for (const Error& error : undo.run()) log::error("{}: taking back: {}", what, error.message);
}

Result<std::string> run_pod(Context& context, PodSpec spec) {
  const std::string name = name_of(spec.metadata);
  if (auto checked = check(spec); !checked.ok()) return std::move(checked).error().within("run pod '{}'", name);
  return context.running_pods.join(name, "RunPodSandbox", context.timeouts.lock, [&](const auto& note) -> Result<std::string> {
    if (const auto existing = context.store->find_pod(spec.metadata)) {
      if (existing->state == PodState::ready) return existing->id;
      return fail(Code::already_exists, "run pod '{}': pod '{}' of this name is not ready, it has to be removed first", name, existing->id);
    }
    return RunPod(context, std::move(spec), note)().context("run pod '{}'", name);
  });
}

}  // namespace slipway::engine
