// CreateContainer: image snapshot → OCI spec (pure) → writable root → bundle → commit. Its process is made at its start (ADR 33).
#include <algorithm>
#include <iterator>

#include "base/ids.h"
#include "cgroups/plan.h"
#include "cgroups/unit_names.h"
#include "engine/cgroup_names.h"
#include "engine/op/bundle.h"
#include "engine/op/image_volumes.h"
#include "engine/op/ops.h"
#include "engine/pod_remains.h"
#include "engine/runtime_handlers.h"
#include "engine/spec/builder.h"
#include "engine/spec/signals.h"
#include "engine/stage_timer.h"
#include "oci/parse.h"
#include "sys/file.h"

namespace slipway::engine {
namespace {

constexpr std::size_t kProfileLimit = 4 << 20;

Result<std::string> read_image_file(const Images& images, const ImageRecord& image, const char* path) {
  auto text = images.read_file(image, path, kUserFileLimit);
  if (!text.ok() && text.error().code == Code::not_found) return std::string();
  return std::move(text).context("image '{}'", image.id);
}

Result<std::string> log_path_of(const PodSpec& pod, const ContainerSpec& container) {
  if (pod.log_directory.empty() || container.log_path.empty()) return std::string();
  const std::string& path = container.log_path;
  if (path.front() == '/' || path == ".." || path.starts_with("../") || path.find("/../") != std::string::npos || path.ends_with("/..") ||
      path.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "log_path '{}' leaves the pod's log directory", path);
  return pod.log_directory + (pod.log_directory.ends_with('/') ? "" : "/") + path;
}

Result<SelinuxLabels> labels_of(const Context& context, const PodRecord& pod, const ContainerSpec& spec) {
  TRY_ASSIGN(SelinuxLabels labels, container_labels(context.host.selinux, pod, spec.security));
  TRY(check_labels(context.host.selinux, labels));
  return labels;
}

// Before the pod is locked: a big volume takes minutes, and who asks again or mounts it too waits for the walk that is under way.
Result<void> relabel_volumes(Context& context, const std::string& pod_id, const ContainerSpec& spec, StageNote& note) {
  std::vector<Mount> asked;
  std::copy_if(spec.mounts.begin(), spec.mounts.end(), std::back_inserter(asked),
               [](const Mount& mount) { return mount.selinux_relabel && mount.image.empty(); });
  if (asked.empty()) return {};
  const auto pod = context.store->pod(pod_id);
  if (!pod) return {};
  TRY_ASSIGN(const SelinuxLabels labels, labels_of(context, *pod, spec));
  if (labels.mount.empty() || labels.unconfined) return {};
  TRY_ASSIGN(const std::vector<ResolvedMount> volumes, resolve_mounts(asked));
  for (const ResolvedMount& volume : volumes) {
    TRY_ASSIGN(const bool done, is_relabelled(volume.source, labels.mount, context.labeller).context("mounts.host_path"));
    if (done) continue;
    note.set("relabel");
    TRY_ASSIGN(const auto place,
               context.relabellers.take(context.options.most_relabelling, context.timeouts.place, "calls that relabel volumes are"));
    const auto run = [&](const auto&) -> Result<bool> {
      TRY(relabel_tree(volume.source, labels.mount, context.labeller));
      return true;
    };
    const std::string key = labels.mount + " " + volume.source;
    TRY(context.relabelling.join(key, "the relabelling of a volume", context.timeouts.lock, run).context("mounts.host_path"));
  }
  return {};
}

class CreateContainer {
 public:
  CreateContainer(Context& context, const PodRecord& pod, ContainerSpec spec, std::shared_ptr<StageNote> note)
      : context_(context), pod_(pod), paths_(context.paths_of(pod.id)), timer_(std::move(note)) {
    record_.id = make_id();
    record_.pod_id = pod.id;
    record_.spec = std::move(spec);
    record_.made = false;
    record_.created_at = now_realtime();
    bundle_ = bundle_path(paths_, record_.id);
  }

  Result<std::string> operator()() {
    Undo undo;
    const Result<void> made = make(undo);
    if (!made.ok()) {
      run_undo(undo, "container " + record_.id);
      return made.error();
    }
    undo.dismiss();
    return record_.id;
  }

 private:
  Result<void> make(Undo& undo) {
    TRY(find_runtime());
    TRY_ASSIGN(client_, context_.monitors.find(pod_.id));
    timer_.begin("image");
    TRY_ASSIGN(image_, context_.images->find(record_.spec.image));
    timer_.begin("spec");
    TRY_ASSIGN(const PlannedSpec planned, plan());
    TRY(oci::validate(planned.spec));
    TRY(cgroups::plan_writes(*planned.spec.linux_.resources));  // for its errors
    timer_.begin("root");
    TRY(undo.add("remove the writable layer", [this] { return context_.images->remove_root(record_.id); }));
    TRY_ASSIGN(const RootLayers layers, context_.images->prepare_root(image_, record_.id));
    timer_.begin("bundle");
    TRY(undo.add("remove the bundle", [this] { return remove_bundle(paths_, record_.id); }));
    TRY(write_bundle(planned, layers));
    timer_.end();
    record_.stages = timer_.take();
    return context_.store->commit(record_);
  }

  // The pod's, which was there when the pod was made.
  Result<void> find_runtime() {
    runtime_ = context_.options.runtimes.find(pod_.runtime.empty() ? kOwnRuntime : pod_.runtime);
    if (runtime_ == nullptr)
      return fail(Code::failed_precondition, "the pod's runtime handler '{}' is not in the configuration any more", pod_.runtime);
    record_.cgroup = container_cgroup(pod_.cgroup, record_.id, runtime_->own() || runtime_->systemd());
    record_.runtime = {runtime_->binary, runtime_->root};
    return {};
  }

  Result<PlannedSpec> plan() {
    SpecInputs in;
    in.runtime = runtime_;
    in.pod = &pod_;
    in.container = &record_.spec;
    in.image = &image_;
    in.host = &context_.host;
    in.container_id = record_.id;
    in.cgroup = record_.cgroup;
    in.paths = paths_;
    const monitor::Namespaces& pinned = client_->welcome().namespaces();
    in.namespaces = {pinned.network(), pinned.ipc(), pinned.uts(), pinned.pid(), pinned.user(), pinned.shm()};
    if (pinned.files().empty()) in.paths = paths_before_files(paths_);
    TRY_ASSIGN(in.target_pid_ns, target_pid_ns());
    TRY_ASSIGN(in.user, user());
    TRY_ASSIGN(in.labels, labels_of(context_, pod_, record_.spec));
    TRY_ASSIGN(in.mounts, resolve_mounts(record_.spec.mounts));
    TRY_ASSIGN(volumes_, find_image_volumes(*context_.images, bundle_, record_.spec.mounts, in.mounts));
    if (!volumes_.empty() && !runtime_->own())
      return fail(Code::unimplemented, "ImageVolumeMountFailed: the image volume at '{}': containers of '{}' mount no images",
                  volumes_[0].target, runtime_->binary);
    TRY_ASSIGN(in.wishes, container_wishes(pod_.spec.annotations, record_.spec.metadata.name, context_.options.annotations));
    std::vector<Device> devices = record_.spec.devices;
    devices.insert(devices.end(), in.wishes.devices.begin(), in.wishes.devices.end());
    TRY_ASSIGN(in.devices, resolve_devices(devices));
    TRY_ASSIGN(in.cdi, resolve_cdi(record_.spec.cdi_devices, context_.options.cdi_directories));
    if (record_.spec.security.privileged) in.host_devices = list_host_devices();
    TRY_ASSIGN(in.localhost_profile, seccomp_profile());
    TRY(apparmor());

    record_.image_id = image_.id;
    record_.resources = asked_resources(in);
    record_.user = {in.user.uid, in.user.gid, {in.user.additional_gids.begin(), in.user.additional_gids.end()}};
    TRY_ASSIGN(record_.log_path, log_path_of(pod_.spec, record_.spec));
    const std::string& asked = record_.spec.stop_signal.empty() ? image_.config.stop_signal : record_.spec.stop_signal;
    TRY_ASSIGN(const int signal, parse_signal(asked.empty() ? "SIGTERM" : asked));
    record_.stop_signal = signal_name(signal);
    return plan_spec(in);
  }

  Result<ResolvedUser> user() {
    TRY_ASSIGN(const std::string passwd, read_image_file(*context_.images, image_, "etc/passwd"));
    TRY_ASSIGN(const std::string group, read_image_file(*context_.images, image_, "etc/group"));
    return resolve_user(record_.spec.security, image_.config.user, passwd, group);
  }

  Result<void> apparmor() {
    const SecurityContext& security = record_.spec.security;
    if (wants_default_apparmor(security, context_.host)) return context_.apparmor.need_default();
    const bool of_host = context_.host.apparmor && security.apparmor.type == ProfileType::localhost;
    return of_host ? need_loaded(security.apparmor.localhost_ref) : Result<void>{};
  }

  Result<std::string> target_pid_ns() {
    const NamespaceOptions& namespaces = record_.spec.security.namespaces;
    if (namespaces.pid != NamespaceMode::target) return std::string();
    const auto target = context_.store->container(namespaces.target_id);
    if (!target || target->pod_id != pod_.id)
      return fail(Code::invalid_argument, "namespace_options.target_id: container '{}' is not of this pod", namespaces.target_id);
    if (target->state != ContainerState::running)
      return fail(Code::failed_precondition, "namespace_options.target_id: container '{}' is not running", namespaces.target_id);
    target_ = target->id;
    return fmt::format("/proc/{}/ns/pid", target->pid);  // for readers of config.json: the monitor goes by its descriptor
  }

  // A relative reference is beneath the kubelet's directory, and stays there.
  Result<std::optional<std::string>> seccomp_profile() {
    const SecurityContext& security = record_.spec.security;
    if (security.privileged || security.seccomp.type != ProfileType::localhost) return std::optional<std::string>{};
    const std::string& reference = security.seccomp.localhost_ref;
    if (reference.empty()) return fail(Code::invalid_argument, "the seccomp profile of type Localhost has no path");
    if (reference.front() == '/') {
      auto text = sys::read_file(reference, kProfileLimit);
      if (!text.ok()) return std::move(text).error().within("seccomp profile '{}'", reference);
      return std::optional<std::string>(std::move(text).take());
    }
    TRY_ASSIGN(const UniqueFd root, sys::open_path(context_.options.seccomp_localhost_root, O_PATH | O_DIRECTORY));
    auto file = sys::open_beneath(root, reference, O_RDONLY);
    if (!file.ok()) return std::move(file).error().within("seccomp profile '{}'", reference);
    TRY_ASSIGN(std::string text, sys::read_fd(file.value(), kProfileLimit));
    return std::optional<std::string>(std::move(text));
  }

  Result<void> write_bundle(const PlannedSpec& planned, const RootLayers& layers) {
    if (!record_.log_path.empty()) TRY(sys::make_directories(record_.log_path.substr(0, record_.log_path.rfind('/')), 0755));
    TRY_ASSIGN(const monitor::CreateContainer request, monitor_request(layers));
    TRY(make_bundle(bundle_, planned, request));
    if (planned.spec.hooks && runtime_->own()) TRY(sys::make_directories(bundle_ + "/rootfs", 0755));  // where hooks look for the root
    return {};
  }

  // What the monitor will be asked.
  Result<monitor::CreateContainer> monitor_request(const RootLayers& layers) {
    monitor::CreateContainer create;
    create.set_id(record_.id);
    create.set_bundle(bundle_);
    for (const std::string& lower : layers.lower) create.mutable_rootfs()->add_lower(lower);
    create.mutable_rootfs()->set_upper(layers.upper);
    create.mutable_rootfs()->set_work(layers.work);
    for (const std::string& volume : image_.config.volumes) create.mutable_rootfs()->add_directories(volume);
    TRY(add_image_volumes(*context_.images, volumes_, record_.id, create));
    create.set_log_path(record_.log_path);
    create.set_tty(record_.spec.tty);
    create.set_stdin(record_.spec.stdin);
    create.set_stdin_once(record_.spec.stdin_once);
    create.set_cgroup(record_.cgroup);
    const NamespaceOptions& namespaces = record_.spec.security.namespaces;
    if (namespaces.pid == NamespaceMode::target) create.set_pid_of(target_);
    create.set_pid_of_init(namespaces.pid == NamespaceMode::pod);
    if (cgroups::is_scope(record_.cgroup)) {
      create.set_systemd_cgroup(true);
      // A shutdown ends containers while there is still someone to tell it.
      create.add_scope_after(kServiceUnit);
      if (cgroups::is_scope(paths_.monitor_cgroup)) create.add_scope_after(cgroups::unit_of(paths_.monitor_cgroup));
    }
    if (!runtime_->own()) {
      monitor::OciRuntime& other = *create.mutable_runtime();
      other.set_binary(runtime_->binary);
      other.set_root(runtime_->root);
      other.set_systemd_cgroup(runtime_->systemd());
      other.set_exec_cgroup(runtime_->exec_cgroup);
    }
    return create;
  }

  Context& context_;
  const PodRecord& pod_;
  const RuntimeHandler* runtime_ = nullptr;
  PodPaths paths_;
  std::string bundle_;
  ContainerRecord record_;
  std::string target_;  // whose PID namespace it joins
  ImageRecord image_;
  std::vector<ImageVolume> volumes_;
  std::shared_ptr<MonitorClient> client_;
  StageTimer timer_;
};

Result<void> check(const ContainerSpec& spec) {
  if (spec.metadata.name.empty()) return fail(Code::invalid_argument, "a container needs a name");
  if (spec.image.empty()) return fail(Code::invalid_argument, "container '{}' has no image", spec.metadata.name);
  return {};
}

}  // namespace

// No context is put in front of its errors: the kubelet reads the beginning of some (ImageVolumeMountFailed, RROUnsupported).
Result<std::string> create_container(Context& context, const std::string& pod_id, ContainerSpec spec) {
  TRY(check(spec));
  const std::string key = fmt::format("{}/{}/{}", pod_id, spec.metadata.name, spec.metadata.attempt);
  return context.creating.join(key, "CreateContainer", context.timeouts.lock, [&](const auto& note) -> Result<std::string> {
    TRY(relabel_volumes(context, pod_id, spec, *note));
    TRY_ASSIGN(const auto guard, context.pod_locks.lock(pod_id, context.timeouts.lock, note));
    const std::optional<PodRecord> pod = context.store->pod(pod_id);
    if (!pod) return fail(Code::not_found, "there is no pod '{}'", pod_id);
    if (pod->state != PodState::ready) return fail(Code::failed_precondition, "pod '{}' is not ready", pod_id);
    if (const auto existing = context.store->find_container(pod_id, spec.metadata)) {
      if (existing->state == ContainerState::created) return existing->id;
      return fail(Code::already_exists, "container '{}' of this name and attempt has been started already", existing->id);
    }
    return CreateContainer(context, *pod, std::move(spec), note)();
  });
}

}  // namespace slipway::engine
