// ContainerConfig → ContainerSpec.
#include <algorithm>

#include "cri/from_proto.h"

namespace slipway::cri {
namespace {

// A path that later is opened beneath a directory: it has to stay there.
bool stays_inside(const std::string& path) {
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    if (path.substr(start, end - start) == "..") return false;
    start = end + 1;
  }
  return path.empty() || path[0] != '/';
}

Result<engine::Propagation> propagation_of(v1::MountPropagation propagation) {
  switch (propagation) {
    case v1::PROPAGATION_PRIVATE: return engine::Propagation::private_;
    case v1::PROPAGATION_HOST_TO_CONTAINER: return engine::Propagation::host_to_container;
    case v1::PROPAGATION_BIDIRECTIONAL: return engine::Propagation::bidirectional;
    default: return fail(Code::invalid_argument, "mounts.propagation: {} has no meaning", static_cast<int>(propagation));
  }
}

// Those that Kubernetes has names for. Others could undo what the mount's own fields say.
Result<void> check_mount_options(const engine::Mount& mount) {
  for (const auto& option : mount.mount_options) {
    if (option == "noexec" || option == "nodev" || option == "nosuid") continue;
    return fail(Code::invalid_argument, "mounts.mount_options: '{}' of '{}' is none of noexec, nodev, nosuid", option,
                mount.container_path);
  }
  return {};
}

// The kubelet tells what is wrong with an image volume by the beginning of the message.
Result<void> check_image(const engine::Mount& mount) {
  constexpr std::string_view kFailed = "ImageVolumeMountFailed";
  if (!mount.readonly)
    return fail(Code::invalid_argument, "{}: mounts.readonly of '{}' is false, an image can only be read", kFailed, mount.container_path);
  if (mount.propagation == engine::Propagation::bidirectional)
    return fail(Code::invalid_argument, "{}: mounts.propagation of '{}': nothing is mounted in an image", kFailed, mount.container_path);
  TRY(check_text("mounts.image.image", mount.image));
  TRY(check_text("mounts.image_sub_path", mount.image_sub_path));
  if (!stays_inside(mount.image_sub_path))
    return fail(Code::invalid_argument, "{}: mounts.image_sub_path: '{}' leaves the image", kFailed, mount.image_sub_path);
  return {};
}

Result<engine::Mount> mount_of(const v1::Mount& mount) {
  engine::Mount out;
  out.container_path = mount.container_path();
  out.host_path = mount.host_path();
  out.image = mount.image().image();
  out.user_specified_image = mount.image().user_specified_image();
  TRY(check_text("mounts.container_path", out.container_path));
  TRY(check_text("mounts.host_path", out.host_path));
  if (out.container_path.empty()) return fail(Code::invalid_argument, "mounts.container_path: empty (host_path '{}')", out.host_path);
  if (out.host_path.empty() == out.image.empty())
    return fail(Code::invalid_argument, "mounts: '{}' needs one of host_path and image", out.container_path);
  if (!out.host_path.empty() && out.host_path[0] != '/')
    return fail(Code::invalid_argument, "mounts.host_path: '{}' is not absolute", out.host_path);
  out.readonly = mount.readonly();
  out.recursive_read_only = mount.recursive_read_only();
  out.selinux_relabel = mount.selinux_relabel();
  TRY_ASSIGN(out.propagation, propagation_of(mount.propagation()));
  if (out.recursive_read_only && (!out.readonly || out.propagation != engine::Propagation::private_))
    return fail(Code::invalid_argument, "RROUnsupported: mounts.recursive_read_only of '{}' needs readonly and PROPAGATION_PRIVATE",
                out.container_path);
  TRY_ASSIGN(out.uid_mappings, from_proto(mount.uidmappings()));
  TRY_ASSIGN(out.gid_mappings, from_proto(mount.gidmappings()));
  out.image_sub_path = mount.image_sub_path();
  if (!out.image.empty()) TRY(check_image(out));
  if (out.image.empty() && !out.image_sub_path.empty())
    return fail(Code::invalid_argument, "mounts.image_sub_path: '{}', but '{}' is no image", out.image_sub_path, out.container_path);
  out.mount_options = to_vector(mount.mount_options());
  TRY(check_mount_options(out));
  return out;
}

Result<engine::Device> device_of(const v1::Device& device) {
  engine::Device out{device.container_path(), device.host_path(), device.permissions()};
  TRY(check_text("devices.container_path", out.container_path));
  TRY(check_text("devices.host_path", out.host_path));
  if (out.host_path.empty() || out.host_path[0] != '/')
    return fail(Code::invalid_argument, "devices.host_path: '{}' is not absolute", out.host_path);
  if (out.container_path.empty()) out.container_path = out.host_path;
  if (out.permissions.find_first_not_of("rwm") != std::string::npos)
    return fail(Code::invalid_argument, "devices.permissions: '{}' of {} has a letter that is none of r, w, m", out.permissions,
                out.host_path);
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> envs_of(const google::protobuf::RepeatedPtrField<v1::KeyValue>& envs) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& env : envs) {
    if (env.key().empty() || env.key().find('=') != std::string::npos)
      return fail(Code::invalid_argument, "envs: '{}' is no variable's name", env.key());
    TRY(check_text("envs", env.key()));
    // The value is not quoted in the message: it may be a secret.
    if (env.value().find('\0') != std::string::npos)
      return fail(Code::invalid_argument, "envs: the value of '{}' has a NUL byte", env.key());
    out.emplace_back(env.key(), env.value());
  }
  return out;
}

Result<void> add_linux(const v1::LinuxContainerConfig& config, engine::ContainerSpec& out) {
  TRY_ASSIGN(out.resources, from_proto(config.resources()));
  TRY_ASSIGN(out.security, from_proto(config.security_context()));
  return {};
}

}  // namespace

Result<std::string> from_proto(v1::Signal signal) {
  if (!v1::Signal_IsValid(signal)) return fail(Code::invalid_argument, "stop_signal: {} has no meaning", static_cast<int>(signal));
  if (signal == v1::SIGNAL_RUNTIME_DEFAULT) return std::string();
  std::string name = v1::Signal_Name(signal).substr(std::string_view("SIGNAL_").size());
  if (const auto at = name.find("PLUS"); at != std::string::npos) name.replace(at, 4, "+");
  if (const auto at = name.find("MINUS"); at != std::string::npos) name.replace(at, 5, "-");
  return name;
}

Result<engine::ContainerSpec> from_proto(const v1::ContainerConfig& config) {
  if (config.has_windows()) return fail(Code::invalid_argument, "windows: slipway runs Linux containers only");
  engine::ContainerSpec out;
  out.metadata = {config.metadata().name(), config.metadata().attempt()};
  if (out.metadata.name.empty()) return fail(Code::invalid_argument, "metadata.name: empty");
  TRY(check_text("metadata.name", out.metadata.name));
  out.image = config.image().image();
  out.user_specified_image = config.image().user_specified_image();
  if (out.image.empty()) return fail(Code::invalid_argument, "image.image: empty");
  TRY(check_text("image.image", out.image));
  TRY(check_text("image.user_specified_image", out.user_specified_image));  // becomes an annotation of config.json
  out.command = to_vector(config.command());
  out.args = to_vector(config.args());
  for (const auto* list : {&out.command, &out.args})
    for (const auto& item : *list) TRY(check_text("command, args", item, false));
  out.working_dir = config.working_dir();
  TRY(check_text("working_dir", out.working_dir, false));
  TRY_ASSIGN(out.envs, envs_of(config.envs()));
  for (const auto& mount : config.mounts()) {
    TRY_ASSIGN(engine::Mount value, mount_of(mount));
    out.mounts.push_back(std::move(value));
  }
  for (const auto& device : config.devices()) {
    TRY_ASSIGN(engine::Device value, device_of(device));
    out.devices.push_back(std::move(value));
  }
  out.labels = to_map(config.labels());
  out.annotations = to_map(config.annotations());
  out.log_path = config.log_path();
  TRY(check_text("log_path", out.log_path));
  if (!stays_inside(out.log_path)) return fail(Code::invalid_argument, "log_path: '{}' leaves the pod's log_directory", out.log_path);
  out.stdin = config.stdin();
  out.stdin_once = config.stdin_once();
  out.tty = config.tty();
  for (const auto& device : config.cdi_devices()) out.cdi_devices.push_back(device.name());
  TRY_ASSIGN(out.stop_signal, from_proto(config.stop_signal()));
  TRY(add_linux(config.linux(), out));
  return out;
}

}  // namespace slipway::cri
