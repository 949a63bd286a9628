// mounts of the OCI spec: the standard ones, the pod's own files, then CRI's.
#include <algorithm>
#include <string_view>

#include "engine/spec/builder.h"

namespace slipway::engine {
namespace {

// Lexically absolute and clean; ".." is refused rather than resolved, a mount target never needs it.
Result<std::string> clean_target(const std::string& path) {
  std::string out;
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t at = rest.find('/');
    const std::string_view part = rest.substr(0, at);
    rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") return fail(Code::invalid_argument, "mounts.container_path: '{}' holds '..'", path);
    out += '/';
    out += part;
  }
  if (out.empty() || path.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "mounts.container_path: '{}' cannot be a mount target", path);
  return out;
}

oci::Mount mount(std::string destination, std::string type, std::string source, std::vector<std::string> options) {
  return {.destination = std::move(destination),
          .type = std::move(type),
          .source = std::move(source),
          .options = std::move(options),
          .uid_mappings = {},
          .gid_mappings = {}};
}

std::vector<oci::Mount> standard_mounts(const SpecInputs& in) {
  const bool privileged = in.container->security.privileged;
  const char* const access = privileged ? "rw" : "ro";
  const bool host_ipc = in.pod->spec.security.namespaces.ipc == NamespaceMode::node;
  std::vector<oci::Mount> mounts;
  mounts.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  mounts.push_back(mount("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  mounts.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(
      mount("/dev/shm", "bind", host_ipc ? "/dev/shm" : in.namespaces.shm, {"rbind", "rprivate", "rw", "nosuid", "noexec", "nodev"}));
  mounts.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}));
  mounts.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", access}));
  const char* const file_access = in.container->security.readonly_rootfs ? "ro" : "rw";
  mounts.push_back(mount("/etc/hosts", "bind", in.paths.hosts, {"rbind", "rprivate", file_access}));
  mounts.push_back(mount("/etc/hostname", "bind", in.paths.hostname, {"rbind", "rprivate", file_access}));
  mounts.push_back(mount("/etc/resolv.conf", "bind", in.paths.resolv_conf, {"rbind", "rprivate", file_access}));
  return mounts;
}

const char* propagation_option(Propagation propagation) {
  switch (propagation) {
    case Propagation::private_: return "rprivate";
    case Propagation::host_to_container: return "rslave";
    case Propagation::bidirectional: return "rshared";
  }
  return "rprivate";
}

Result<void> check_request(const Mount& request, bool users) {
  if (request.uid_mappings.empty() != request.gid_mappings.empty())
    return fail(Code::invalid_argument, "mount '{}': uidMappings and gidMappings come only together", request.container_path);
  if (users && request.propagation == Propagation::bidirectional)
    return fail(Code::invalid_argument, "mount '{}': a pod with a user namespace cannot mount for the host", request.container_path);
  if (!request.recursive_read_only) return {};
  if (!request.readonly) return fail(Code::invalid_argument, "mount '{}': recursive_read_only needs readonly", request.container_path);
  if (request.propagation != Propagation::private_)
    return fail(Code::invalid_argument, "mount '{}': recursive_read_only needs private propagation", request.container_path);
  return {};
}

Result<oci::Mount> plan_cri_mount(const ResolvedMount& resolved, bool users) {
  const Mount& request = resolved.request;
  TRY(check_request(request, users));
  TRY_ASSIGN(std::string target, clean_target(request.container_path));
  if (!request.image.empty()) {
    // One mount, whose ids the runner maps with the layers'.
    std::vector<std::string> options = {"bind", "rprivate", "ro", "nosuid", "nodev"};
    options.insert(options.end(), request.mount_options.begin(), request.mount_options.end());
    return mount(std::move(target), "bind", resolved.source, std::move(options));
  }
  std::vector<std::string> options = {"rbind", propagation_option(request.propagation), request.readonly ? "ro" : "rw"};
  if (request.recursive_read_only) options.back() = "rro";
  options.insert(options.end(), request.mount_options.begin(), request.mount_options.end());
  oci::Mount planned = mount(std::move(target), "bind", resolved.source, std::move(options));
  planned.uid_mappings = request.uid_mappings;
  planned.gid_mappings = request.gid_mappings;
  return planned;
}

std::size_t depth(const std::string& path) {
  return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

}  // namespace

Result<std::vector<oci::Mount>> plan_mounts(const SpecInputs& in) {
  std::vector<oci::Mount> asked;
  for (const ResolvedMount& resolved : in.mounts) {
    TRY_ASSIGN(oci::Mount planned, plan_cri_mount(resolved, pod_users(in)));
    asked.push_back(std::move(planned));
  }
  // Their ids are not mapped, unless an option says so: to a pod with a user namespace what is the host's root's stays that.
  for (oci::Mount planned : in.cdi.mounts) {
    TRY_ASSIGN(planned.destination, clean_target(planned.destination).context("CDI"));
    std::erase_if(asked, [&](const oci::Mount& other) { return other.destination == planned.destination; });
    asked.push_back(std::move(planned));
  }
  // Parents before children, else as given: a mount on /a would hide one on /a/b made before it.
  std::stable_sort(asked.begin(), asked.end(),
                   [](const oci::Mount& a, const oci::Mount& b) { return depth(a.destination) < depth(b.destination); });

  std::vector<oci::Mount> mounts = standard_mounts(in);
  std::erase_if(mounts, [&](const oci::Mount& standard) {
    return std::any_of(asked.begin(), asked.end(), [&](const oci::Mount& a) { return a.destination == standard.destination; });
  });
  mounts.insert(mounts.end(), std::make_move_iterator(asked.begin()), std::make_move_iterator(asked.end()));
  return mounts;
}

}  // namespace slipway::engine
