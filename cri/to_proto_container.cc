// ContainerRecord → CRI.
#include <algorithm>

#include "cri/to_proto.h"

namespace slipway::cri {
namespace {

v1::MountPropagation propagation_of(engine::Propagation propagation) {
  switch (propagation) {
    case engine::Propagation::private_: return v1::PROPAGATION_PRIVATE;
    case engine::Propagation::host_to_container: return v1::PROPAGATION_HOST_TO_CONTAINER;
    case engine::Propagation::bidirectional: return v1::PROPAGATION_BIDIRECTIONAL;
  }
  return v1::PROPAGATION_PRIVATE;
}

void put_mount(const engine::Mount& mount, v1::Mount* out) {
  out->set_container_path(mount.container_path);
  out->set_host_path(mount.host_path);
  out->set_readonly(mount.readonly);
  out->set_recursive_read_only(mount.recursive_read_only);
  out->set_selinux_relabel(mount.selinux_relabel);
  out->set_propagation(propagation_of(mount.propagation));
  if (!mount.image.empty()) {
    out->mutable_image()->set_image(mount.image);
    out->mutable_image()->set_user_specified_image(mount.user_specified_image);
    out->mutable_image()->set_image_ref(mount.image_ref);
  }
  out->set_image_sub_path(mount.image_sub_path);
  for (const auto& option : mount.mount_options) out->add_mount_options(option);
}

}  // namespace

v1::ContainerState to_proto(engine::ContainerState state) {
  switch (state) {
    case engine::ContainerState::created: return v1::CONTAINER_CREATED;
    case engine::ContainerState::running: return v1::CONTAINER_RUNNING;
    case engine::ContainerState::exited: return v1::CONTAINER_EXITED;
    case engine::ContainerState::unknown: return v1::CONTAINER_UNKNOWN;
  }
  return v1::CONTAINER_UNKNOWN;
}

v1::ContainerMetadata to_metadata(const engine::ContainerMetadata& metadata) {
  v1::ContainerMetadata out;
  out.set_name(metadata.name);
  out.set_attempt(metadata.attempt);
  return out;
}

v1::ImageSpec to_image(const engine::ContainerSpec& spec) {
  v1::ImageSpec out;
  out.set_image(written_image(spec));
  out.set_user_specified_image(spec.user_specified_image);
  return out;
}

v1::ContainerStatus to_status(const engine::ContainerRecord& container, const engine::ImageRecord* image) {
  v1::ContainerStatus out;
  out.set_id(container.id);
  *out.mutable_metadata() = to_metadata(container.spec.metadata);
  out.set_state(to_proto(container.state));
  out.set_created_at(container.created_at);
  *out.mutable_image() = to_image(container.spec);
  out.set_image_ref(container.image_id);
  out.set_image_id(container.image_id);  // equals PullImageResponse.image_ref, or the kubelet collects images in use
  out.mutable_labels()->insert(container.spec.labels.begin(), container.spec.labels.end());
  out.mutable_annotations()->insert(container.spec.annotations.begin(), container.spec.annotations.end());
  if (image != nullptr && !image->repo_digests.empty()) out.set_image_ref(image->repo_digests[0]);
  if (image != nullptr && container.spec.user_specified_image.empty() && !image->repo_tags.empty())
    out.mutable_image()->set_image(image->repo_tags[0]);
  out.set_started_at(container.started_at);
  out.set_finished_at(container.finished_at);
  out.set_exit_code(container.exit_code);
  out.set_reason(container.reason);
  out.set_message(container.message);
  for (const auto& mount : container.spec.mounts) put_mount(mount, out.add_mounts());
  out.set_log_path(container.log_path);
  *out.mutable_resources()->mutable_linux() = to_proto(container.resources);
  auto* user = out.mutable_user()->mutable_linux();
  user->set_uid(container.user.uid);
  user->set_gid(container.user.gid);
  for (const auto group : container.user.supplemental_groups) user->add_supplemental_groups(group);
  out.set_stop_signal(to_signal(container.stop_signal));
  return out;
}

v1::LinuxContainerResources to_proto(const engine::LinuxResources& resources) {
  v1::LinuxContainerResources out;
  out.set_cpu_period(resources.cpu_period);
  out.set_cpu_quota(resources.cpu_quota);
  out.set_cpu_shares(resources.cpu_shares);
  out.set_memory_limit_in_bytes(resources.memory_limit_in_bytes);
  out.set_oom_score_adj(resources.oom_score_adj);
  out.set_cpuset_cpus(resources.cpuset_cpus);
  out.set_cpuset_mems(resources.cpuset_mems);
  for (const auto& limit : resources.hugepage_limits) {
    auto* to = out.add_hugepage_limits();
    to->set_page_size(limit.page_size);
    to->set_limit(limit.limit);
  }
  out.mutable_unified()->insert(resources.unified.begin(), resources.unified.end());
  out.set_memory_swap_limit_in_bytes(resources.memory_swap_limit_in_bytes);
  return out;
}

v1::Signal to_signal(std::string_view name) {
  std::string text(name);
  if (!text.starts_with("SIG")) text.insert(0, "SIG");
  if (const auto at = text.find('+'); at != std::string::npos) text.replace(at, 1, "PLUS");
  if (const auto at = text.find('-'); at != std::string::npos) text.replace(at, 1, "MINUS");
  v1::Signal out = v1::SIGNAL_RUNTIME_DEFAULT;
  // A signal that CRI has no number for stays the default: the status cannot say it.
  if (!v1::Signal_Parse("SIGNAL_" + text, &out)) return v1::SIGNAL_RUNTIME_DEFAULT;
  return out;
}

v1::ExecSyncResponse to_proto(engine::ExecOutput output) {
  constexpr std::size_t kRoom = kMessageLimit - 1024;  // the rest of the message and its frame
  const std::size_t err = std::min(output.err.size(), std::max(kRoom / 2, kRoom - std::min(kRoom, output.out.size())));
  output.err.resize(err);
  output.out.resize(std::min(output.out.size(), kRoom - err));
  v1::ExecSyncResponse out;
  out.set_stdout(std::move(output.out));
  out.set_stderr(std::move(output.err));
  out.set_exit_code(output.exit_code);
  return out;
}

}  // namespace slipway::cri
