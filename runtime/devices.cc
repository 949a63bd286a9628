// Device nodes by mknodat beneath descriptors.
#include "runtime/devices.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "base/weaken.h"
#include "runtime/paths.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/namespace.h"

namespace slipway::runtime {
namespace {

struct DefaultDevice {
  const char* name;
  unsigned minor;
  unsigned major;
};
constexpr DefaultDevice kDevices[] = {{"null", 3, 1}, {"zero", 5, 1}, {"full", 7, 1}, {"random", 8, 1}, {"urandom", 9, 1}, {"tty", 0, 5}};

struct Link {
  const char* name;
  const char* target;
};
constexpr Link kLinks[] = {{"fd", "/proc/self/fd"},
                           {"stdin", "/proc/self/fd/0"},
                           {"stdout", "/proc/self/fd/1"},
                           {"stderr", "/proc/self/fd/2"},
                           {"ptmx", "pts/ptmx"}};

// Modes are given exactly: the runner's umask must not eat bits.
class NoUmask {
 public:
  NoUmask() : previous_(::umask(0)) {}
  ~NoUmask() { (void)::umask(previous_); }
  NoUmask(const NoUmask&) = delete;
  NoUmask& operator=(const NoUmask&) = delete;

 private:
  mode_t previous_;
};

// `path`: where it is in the container, and on the host.
Result<void> make_node(FdRef dir, const char* name, mode_t mode, dev_t number, const std::string& path,
                       std::vector<RefusedDevice>& refused) {
  if (::mknodat(dir.get(), name, mode, number) == 0) return {};
  if (errno == EPERM && !sys::in_initial_user_namespace()) {
    if (::mknodat(dir.get(), name, S_IFREG, 0) != 0 && errno != EEXIST) return fail_errno(errno, "make a file for device '{}'", name);
    refused.push_back({path, "/" + path, mode & S_IFMT, number});
    return {};
  }
  if (errno != EEXIST) return fail_errno(errno, "make device '{}'", name);
  struct stat st = {};
  if (::fstatat(dir.get(), name, &st, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "stat device '{}'", name);
  if ((st.st_mode & S_IFMT) == (mode & S_IFMT) && (S_ISFIFO(mode) || st.st_rdev == number)) return {};
  return fail(Code::already_exists, "'{}' is there already and is another file", name);
}

Result<mode_t> file_type(const oci::Device& device) {
  if (device.type == "c" || device.type == "u") return mode_t{S_IFCHR};
  if (device.type == "b") return mode_t{S_IFBLK};
  if (device.type == "p") return mode_t{S_IFIFO};
  return fail(Code::invalid_argument, "linux.devices: type '{}' of '{}' is not known", device.type, device.path);
}

// Ids are the container's.
Result<void> own(FdRef dir, const char* name, std::uint32_t uid, std::uint32_t gid, const UserNamespace* user) {
  if (user != nullptr) {
    TRY_ASSIGN(uid, user->host_uid(uid));
    TRY_ASSIGN(gid, user->host_gid(gid));
  }
  if (::fchownat(dir.get(), name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "change the owner of '{}'", name);
  return {};
}

// `path` is relative to `base`; directories on the way are made in it.
Result<void> make_device(FdRef base, const std::string& path, const oci::Device& device, const UserNamespace* user,
                         std::vector<RefusedDevice>& refused) {
  TRY_ASSIGN(const mode_t type, file_type(device));
  const std::size_t slash = path.rfind('/');
  UniqueFd parent;
  if (slash != std::string::npos) {
    TRY_ASSIGN(parent, sys::make_directories_in_root(base, path.substr(0, slash), 0755));
  }
  const FdRef dir = parent ? FdRef(parent) : base;
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty()) return fail(Code::invalid_argument, "linux.devices: path '{}' names no file", device.path);
  const dev_t number = ::makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
  TRY(make_node(dir, name.c_str(), type | device.file_mode.value_or(0666), number, clean_in_root(device.path), refused));
  if (!device.uid && !device.gid && user == nullptr) return {};
  return own(dir, name.c_str(), device.uid.value_or(0), device.gid.value_or(0), user).context("device '{}'", device.path);
}

// config.json's word for a default device's path goes before the default.
bool is_among(const std::vector<oci::Device>& devices, std::string_view name) {
  return std::ranges::any_of(devices, [&](const oci::Device& device) { return clean_in_root(device.path) == fmt::format("dev/{}", name); });
}

Result<void> make_links(FdRef dev, const UserNamespace* user) {
  for (const Link& link : kLinks) {
    if (::symlinkat(link.target, dev.get(), link.name) != 0 && errno != EEXIST) return fail_errno(errno, "make link '/dev/{}'", link.name);
    if (user != nullptr) TRY(own(dev, link.name, 0, 0, user));
  }
  return {};
}

}  // namespace

Result<void> populate_dev(FdRef dev, const DevContent& content, std::vector<RefusedDevice>& refused) {
  const NoUmask exact;
  const UserNamespace* user = content.user;
  for (const DefaultDevice& device : kDevices) {
    if (is_among(*content.devices, device.name)) continue;
    TRY(make_node(dev, device.name, S_IFCHR | 0666, ::makedev(device.major, device.minor), fmt::format("dev/{}", device.name), refused));
    if (user != nullptr) TRY(own(dev, device.name, 0, 0, user));
  }
  for (const oci::Device& device : *content.devices) {
    const std::string path = clean_in_root(device.path);
    if (is_at_or_beneath(path, "dev") && path.size() > 4) TRY(make_device(dev, path.substr(4), device, user, refused));
  }
  TRY(make_links(dev, user));
  for (const std::string& directory : content.directories) {
    if (directory.find('/') != std::string::npos) continue;  // init makes the deeper ones
    if (::mkdirat(dev.get(), directory.c_str(), 0755) != 0 && errno != EEXIST)
      return fail_errno(errno, "make directory '/dev/{}'", directory);
    if (user != nullptr) TRY(own(dev, directory.c_str(), 0, 0, user));
  }
  for (const std::string& file : content.files) {
    if (::mknodat(dev.get(), file.c_str(), S_IFREG | 0644, 0) != 0 && errno != EEXIST)
      return fail_errno(errno, "make file '/dev/{}'", file);
    if (user != nullptr) TRY(own(dev, file.c_str(), 0, 0, user));
  }
  // Never opened: linux.devices may have put the host's console there.
  if (content.console && ::mknodat(dev.get(), "console", S_IFREG | 0620, 0) != 0 && errno != EEXIST)
    return fail_errno(errno, "make '/dev/console'");
  if (content.console && user != nullptr) TRY(own(dev, "console", 0, 0, user));
  return {};
}

Result<void> make_other_devices(FdRef root, const std::vector<oci::Device>& devices, const UserNamespace* user,
                                std::vector<RefusedDevice>& refused) {
  if (devices.empty()) return {};
  const NoUmask exact;
  for (const oci::Device& device : devices) {
    const std::string path = clean_in_root(device.path);
    if (!is_at_or_beneath(path, "dev")) TRY(make_device(root, path, device, user, refused));
  }
  return {};
}

Result<UniqueFd> clone_device(const RefusedDevice& device) {
  TRY_ASSIGN(sys::DetachedMount mount, sys::clone_tree(device.source, false));
  struct stat st = {};
  if (::fstat(mount.get(), &st) != 0) return fail_errno(errno, "stat '{}'", device.source);
  if ((st.st_mode & S_IFMT) != device.type || st.st_rdev != device.number)
    return fail(Code::failed_precondition, "device '/{}' cannot be made in a user namespace, and '{}' of the host is another file",
                device.target, device.source);
  TRY(sys::set_attributes(mount.fd(), {.set = 0, .clear = 0, .propagation = MS_PRIVATE, .recursive = false}));
  return mount.release();
}

namespace {

Result<void> check_null(FdRef fd) {
  struct stat st = {};
  if (::fstat(fd.get(), &st) != 0) return fail_errno(errno, "stat /dev/null");
  if (weakened(Defence::null_device) || (S_ISCHR(st.st_mode) && st.st_rdev == ::makedev(1, 3))) return {};
  return fail(Code::failed_precondition, "/dev/null is not the null device");
}

}  // namespace

Result<UniqueFd> open_null(int flags) {
  TRY_ASSIGN(UniqueFd fd, sys::open_path("/dev/null", flags));
  TRY(check_null(fd));
  return fd;
}

Result<sys::DetachedMount> clone_null() {
  TRY_ASSIGN(sys::DetachedMount mount, sys::clone_tree("/dev/null", false));
  TRY(check_null(mount.fd()));
  TRY(sys::set_attributes(mount.fd(), {.set = 0, .clear = 0, .propagation = MS_PRIVATE, .recursive = false}));
  return mount;
}

}  // namespace slipway::runtime
