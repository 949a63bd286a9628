// What the spec builder must know of this host: reads /proc, /sys and /dev, decides nothing.
#include "engine/host_facts.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "cgroups/cgroup.h"
#include "cgroups/root.h"
#include "engine/apparmor.h"
#include "sys/file.h"
#include "sys/mountinfo.h"

namespace slipway::engine {
namespace {

// "2048kB" → "2MB", as the kubelet and the cgroup files write it.
std::string page_size_name(std::uint64_t kib) {
  if (kib >= 1024 * 1024) return fmt::format("{}GB", kib / (1024 * 1024));
  if (kib >= 1024) return fmt::format("{}MB", kib / 1024);
  return fmt::format("{}KB", kib);
}

std::vector<std::string> probe_hugepages() {
  std::vector<std::string> sizes;
  auto dir = sys::open_path("/sys/kernel/mm/hugepages", O_RDONLY | O_DIRECTORY);
  if (!dir.ok()) return sizes;  // a kernel without huge pages
  auto names = sys::list_directory(dir.value(), 64);
  if (!names.ok()) return sizes;
  for (const std::string& name : names.value()) {
    constexpr std::string_view kPrefix = "hugepages-";
    if (name.rfind(kPrefix, 0) != 0) continue;
    std::uint64_t kib = 0;
    const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), kib);
    if (error == std::errc{} && std::string_view(end) == "kB") sizes.push_back(page_size_name(kib));
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

// The bounding set in /proc/self/status: a container's process can hold nothing beyond it (capabilities(7)).
Result<std::uint64_t> probe_capabilities() {
  TRY_ASSIGN(const std::string text, sys::read_file("/proc/self/status", 64 * 1024));
  constexpr std::string_view kField = "\nCapBnd:\t";
  const std::size_t at = text.find(kField);
  std::uint64_t mask = 0;
  if (at == std::string::npos || std::from_chars(text.data() + at + kField.size(), text.data() + text.size(), mask, 16).ec != std::errc{})
    return fail(Code::internal, "/proc/self/status has no CapBnd");
  return mask;
}

// A hard limit above our own takes CAP_SYS_RESOURCE; above fs.nr_open nobody gets.
Result<std::uint64_t> probe_open_files(const HostFacts& facts) {
  constexpr unsigned kSysResource = 24;
  std::uint64_t most = facts.open_files;
  if (const auto text = sys::read_file("/proc/sys/fs/nr_open", 64); text.ok()) {
    std::uint64_t ceiling = 0;
    const std::string& digits = text.value();
    if (std::from_chars(digits.data(), digits.data() + digits.size(), ceiling).ec == std::errc{}) most = std::min(most, ceiling);
  }
  rlimit own{};
  if (::getrlimit(RLIMIT_NOFILE, &own) != 0) return fail_errno(errno, "ask for the limit of open files");
  const bool may_raise = ((facts.capabilities >> kSysResource) & 1) != 0;
  return may_raise ? most : std::min<std::uint64_t>(most, own.rlim_max);
}

// memory.swap.max is in no root cgroup; any child of the root shows whether the kernel accounts swap.
bool probe_swap(const cgroups::Root& root) {
  auto names = sys::list_directory(root.dir, 4096);
  if (!names.ok()) return false;
  return std::any_of(names.value().begin(), names.value().end(),
                     [&](const std::string& name) { return sys::exists(root.path + "/" + name + "/memory.swap.max"); });
}

bool is_yes(const std::string& path) {
  const auto text = sys::read_file(path, 16);
  return text.ok() && !text.value().empty() && (text.value()[0] == 'Y' || text.value()[0] == '1');
}

Result<std::optional<oci::Device>> read_device(const std::string& path, bool follow) {
  struct stat st {};
  if ((follow ? ::stat(path.c_str(), &st) : ::lstat(path.c_str(), &st)) != 0) return fail_errno(errno, "device '{}'", path);
  if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) return std::optional<oci::Device>{};
  oci::Device device;
  device.path = path;
  device.type = S_ISCHR(st.st_mode) ? "c" : "b";
  device.major = static_cast<std::int64_t>(major(st.st_rdev));
  device.minor = static_cast<std::int64_t>(minor(st.st_rdev));
  device.file_mode = st.st_mode & 07777;
  device.uid = st.st_uid;
  device.gid = st.st_gid;
  return std::optional<oci::Device>(device);
}

struct CloseDir {
  void operator()(DIR* dir) const { (void)::closedir(dir); }
};

constexpr std::array<std::string_view, 8> kOwnDirectories = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "hugepages"};

// Depth is bounded: a bind mount of / beneath a device directory must not send us through the whole host.
void walk_devices(const std::string& directory, int depth, std::vector<oci::Device>& found) {
  const std::unique_ptr<DIR, CloseDir> dir(::opendir(directory.c_str()));
  if (!dir || depth > 8) return;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || name == "console") continue;
    const std::string path = directory + "/" + std::string(name);
    if (entry->d_type == DT_DIR) {
      if (std::find(kOwnDirectories.begin(), kOwnDirectories.end(), name) == kOwnDirectories.end()) walk_devices(path, depth + 1, found);
      continue;
    }
    const auto device = read_device(path, false);
    if (device.ok() && device.value()) found.push_back(*device.value());  // gone again meanwhile = not there
  }
}

Result<std::string> real_path(const char* field, const std::string& path) {
  std::array<char, PATH_MAX> buffer{};
  if (::realpath(path.c_str(), buffer.data()) == nullptr) return fail_errno(errno, "{} '{}'", field, path);
  return std::string(buffer.data());
}

// The mount that holds `path`: the longest mount point above it, the last one mounted there.
const sys::MountLine* mount_of(const std::vector<sys::MountLine>& mounts, const std::string& path) {
  const sys::MountLine* best = nullptr;
  for (const sys::MountLine& mount : mounts) {
    const bool above = mount.point == "/" || path == mount.point || path.rfind(mount.point + "/", 0) == 0;
    if (above && (best == nullptr || mount.point.size() >= best->point.size())) best = &mount;
  }
  return best;
}

Result<void> check_propagation(const ResolvedMount& mount) {
  TRY_ASSIGN(const auto mounts, sys::read_mountinfo("/proc/self/mountinfo"));
  const sys::MountLine* host = mount_of(mounts, mount.source);
  const bool shared = host != nullptr && host->shared;
  if (mount.request.propagation == Propagation::bidirectional && !shared)
    return fail(Code::failed_precondition, "mount of '{}': it is not on a shared mount", mount.request.host_path);
  if (mount.request.propagation == Propagation::host_to_container && !shared && (host == nullptr || !host->slave))
    return fail(Code::failed_precondition, "mount of '{}': it is not on a shared or slave mount", mount.request.host_path);
  return {};
}

}  // namespace

Result<HostFacts> probe_host() {
  HostFacts facts;
  struct utsname names {};
  if (::uname(&names) != 0) return fail_errno(errno, "uname");
  facts.hostname = names.nodename;
  facts.kernel = names.release;
  TRY_ASSIGN(facts.capabilities, probe_capabilities());
  TRY_ASSIGN(facts.open_files, probe_open_files(facts));
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  TRY_ASSIGN(const std::vector<std::string> controllers, cgroups::available_controllers(root));
  if (std::find(controllers.begin(), controllers.end(), "hugetlb") != controllers.end()) facts.hugepage_sizes = probe_hugepages();
  facts.swap_accounting = probe_swap(root);
  TRY_ASSIGN(facts.selinux, probe_selinux(""));
  facts.apparmor = is_yes("/sys/module/apparmor/parameters/enabled");
  facts.apparmor_parser = !apparmor_parser().empty();
  return facts;
}

bool can_map_users() {
  struct utsname names {};
  unsigned major = 0, minor = 0;
  if (::uname(&names) != 0 || std::sscanf(names.release, "%u.%u", &major, &minor) != 2) return false;
  if (major < 5 || (major == 5 && minor < 19)) return false;
  const auto most = sys::read_file("/proc/sys/user/max_user_namespaces", 64);
  return most.ok() && !most.value().starts_with("0") && sys::exists("/proc/self/ns/user");
}

bool can_set_mount_trees() {
  return ::syscall(SYS_mount_setattr, -1, nullptr, 0, nullptr, 0) != 0 && errno != ENOSYS;
}

std::vector<oci::Device> list_host_devices(const std::string& directory) {
  std::vector<oci::Device> found;
  walk_devices(directory, 0, found);
  std::sort(found.begin(), found.end(), [](const oci::Device& a, const oci::Device& b) { return a.path < b.path; });
  return found;
}

Result<std::vector<ResolvedMount>> resolve_mounts(const std::vector<Mount>& mounts) {
  std::vector<ResolvedMount> resolved;
  for (const Mount& mount : mounts) {
    ResolvedMount one{mount, {}, false};
    if (mount.image.empty()) {  // an image volume has no host path
      if (mount.host_path.empty() || mount.host_path.front() != '/')
        return fail(Code::invalid_argument, "mounts.host_path: '{}' is not absolute", mount.host_path);
      TRY_ASSIGN(one.source, real_path("mounts.host_path", mount.host_path));
      struct stat st {};
      one.is_directory = ::stat(one.source.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
      if (mount.propagation != Propagation::private_) TRY(check_propagation(one));
    }
    resolved.push_back(std::move(one));
  }
  return resolved;
}

Result<std::vector<ResolvedDevice>> resolve_devices(const std::vector<Device>& devices) {
  std::vector<ResolvedDevice> resolved;
  for (const Device& asked : devices) {
    const std::string access = asked.permissions.empty() ? "rwm" : asked.permissions;
    if (access.find_first_not_of("rwm") != std::string::npos)
      return fail(Code::invalid_argument, "devices.permissions: '{}' of {} are not some of 'rwm'", access, asked.host_path);
    TRY_ASSIGN(const std::string source, real_path("devices.host_path", asked.host_path));
    const std::string target = asked.container_path.empty() ? asked.host_path : asked.container_path;
    TRY_ASSIGN(const std::optional<oci::Device> one, read_device(source, true));
    if (one) {
      resolved.push_back({*one, access});
      resolved.back().device.path = target;
      continue;
    }
    std::vector<oci::Device> inside;
    walk_devices(source, 0, inside);
    if (inside.empty())
      return fail(Code::invalid_argument, "devices.host_path: '{}' is neither a device nor a directory with devices", asked.host_path);
    for (oci::Device& device : inside) {
      device.path = target + device.path.substr(source.size());
      resolved.push_back({std::move(device), access});
    }
  }
  return resolved;
}

}  // namespace slipway::engine
