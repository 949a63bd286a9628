// Making and pinning a pod's namespaces.
#include "monitor/pod_namespaces.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "oci/parse.h"
#include "sys/file.h"
#include "sys/namespace.h"

namespace slipway::monitor {
namespace {

bool own_net(const PodConfig& config) {
  return !config.netns_path().empty();
}
bool own_user(const PodConfig& config) {
  return !config.uid_maps().empty();
}
bool own_uts(const PodConfig& config) {
  return own_net(config) || !config.hostname().empty();
}

Result<void> raise_loopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, "make a socket for lo");
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", sizeof "lo");
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) return fail_errno(errno, "ask for lo's flags");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return fail_errno(errno, "bring lo up");
  return {};
}

// /proc/sys without following anything: a mount or a link put there must not turn the write elsewhere (CVE-2025-52881).
Result<void> write_sysctl(const std::string& path, const std::string& value) {
  TRY_ASSIGN(const UniqueFd proc, sys::open_path("/proc", O_PATH | O_DIRECTORY));
  struct statfs info {};
  if (::fstatfs(proc.get(), &info) != 0) return fail_errno(errno, "ask what /proc is");
  if (info.f_type != PROC_SUPER_MAGIC) return fail(Code::failed_precondition, "/proc is not procfs");
  open_how how{};
  how.flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  const std::string name = "sys/" + path;
  const UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, proc.get(), name.c_str(), &how, sizeof how)));
  if (!fd) return fail_errno(errno, "open /proc/{}", name);
  const ssize_t n = sys::retry_eintr([&] { return ::write(fd.get(), value.data(), value.size()); });
  if (n < 0) return fail_errno(errno, "write '{}' to /proc/{}", value, name);
  return {};
}

// Newer kernels (6.10, and their stable ones) let only the root of an IPC namespace's own users write its sysctls, older ones only the
// host's.
Result<void> write_sysctl_as_pod(const PodConfig& config, const std::string& path, const std::string& value) {
  TRY_ASSIGN(const PodRoot root, pod_root(config));
  if (::setegid(root.gid) != 0 || ::seteuid(root.uid) != 0) return fail_errno(errno, "become the pod's root");
  Result<void> written = write_sysctl(path, value);
  if (::seteuid(0) != 0 || ::setegid(0) != 0) return fail_errno(errno, "become root again");
  return written;
}

Result<void> set_sysctls(const PodConfig& config) {
  for (const auto& [name, value] : config.sysctls()) {
    TRY_ASSIGN(const std::string path, oci::sysctl_path(name));
    TRY(check_sysctl(path, own_net(config), !config.host_ipc()));
    if (value.find('\n') != std::string::npos || value.find('\0') != std::string::npos)
      return fail(Code::invalid_argument, "sysctl '{}': its value has a line break or a NUL", name);
    auto written = write_sysctl(path, value);
    if (!written.ok() && written.error().sys_errno == EACCES && own_user(config)) written = write_sysctl_as_pod(config, path, value);
    TRY(written);
  }
  return {};
}

int flags_of(const PodConfig& config) {
  return (own_net(config) ? CLONE_NEWNET : 0) | (config.host_ipc() ? 0 : CLONE_NEWIPC) | (own_uts(config) ? CLONE_NEWUTS : 0);
}

std::string map_text(const google::protobuf::RepeatedPtrField<IdMap>& maps) {
  std::string text;
  for (const IdMap& map : maps) text += fmt::format("{} {} {}\n", map.inside(), map.outside(), map.count());
  return text;
}

// In the fork. The descriptors: user, net, ipc, uts, those that there are.
Result<void> make_them(const PodConfig& config, Outcome& outcome) {
  if (own_user(config)) {
    TRY_ASSIGN(UniqueFd user, sys::make_user_namespace(map_text(config.uid_maps()), map_text(config.gid_maps())));
    TRY(sys::join_namespace(user, CLONE_NEWUSER));
    outcome.fds.push_back(std::move(user));
  }
  const int flags = flags_of(config);
  if (flags != 0 && ::unshare(flags) != 0) return fail_errno(errno, "make namespaces (flags {:#x})", flags);
  struct Wanted {
    bool own;
    const char* path;
  };
  for (const Wanted& w : {Wanted{own_net(config), "/proc/self/ns/net"}, Wanted{!config.host_ipc(), "/proc/self/ns/ipc"},
                          Wanted{own_uts(config), "/proc/self/ns/uts"}}) {
    if (!w.own) continue;
    TRY_ASSIGN(UniqueFd fd, sys::open_path(w.path, O_RDONLY));
    outcome.fds.push_back(std::move(fd));
  }
  return {};
}

// As the host's root in the pod's namespaces: a pod's root may not write every sysctl that is its own.
Result<void> furnish(const PodConfig& config) {
  const std::string& hostname = config.hostname();
  if (!hostname.empty() && ::sethostname(hostname.data(), hostname.size()) != 0)
    return fail_errno(errno, "set the hostname '{}'", hostname);
  if (own_net(config)) TRY(raise_loopback());
  return set_sysctls(config);
}

// A second fork, for a pod whose namespaces were made by one that is the host's root no more.
Result<void> furnish_from_outside(const PodConfig& config, const Origin& origin, const PodNamespaces& pod) {
  const std::array<int, 3> fds = {pod.net.get(), pod.ipc.get(), pod.uts.get()};
  const auto join_and_furnish = [&]() -> Result<void> {
    for (const int fd : fds)
      if (fd >= 0) TRY(sys::join_namespace(FdRef(fd), 0));
    return furnish(config);
  };
  TRY_ASSIGN(const Outcome done, Task::run(origin, fds, [&](Outcome& outcome) { settle(join_and_furnish(), outcome); }));
  return {};
}

// `directory` as a shared mount of its own, once for the node: others may be doing the same now, hence the lock.
Result<void> share_directory(const std::string& directory) {
  TRY(sys::make_directories(directory, 0755));
  TRY_ASSIGN(const UniqueFd lock, sys::open_path(directory, O_RDONLY | O_DIRECTORY));
  if (sys::retry_eintr([&] { return ::flock(lock.get(), LOCK_EX); }) != 0) return fail_errno(errno, "lock '{}'", directory);
  if (::mount("", directory.c_str(), "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  if (errno != EINVAL) return fail_errno(errno, "share '{}'", directory);
  if (::mount(directory.c_str(), directory.c_str(), "none", MS_BIND | MS_REC, nullptr) != 0)
    return fail_errno(errno, "bind '{}' to itself", directory);
  if (::mount("", directory.c_str(), "none", MS_SHARED | MS_REC, nullptr) != 0) return fail_errno(errno, "share '{}'", directory);
  return {};
}

Result<void> unmount(const std::string& path) {
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
    return fail_errno(errno, "unmount '{}'", path);
  return {};
}

}  // namespace

Result<void> check_sysctl(std::string_view path, bool own_network, bool own_ipc) {
  if (path.starts_with("net/")) {
    if (own_network) return {};
    return fail(Code::invalid_argument, "sysctl '{}' would change the host's network: the pod has none of its own", path);
  }
  if (path == "kernel/domainname" && own_network) return {};  // with a network of its own it has names of its own
  const bool ipc =
      path.starts_with("kernel/shm") || path.starts_with("kernel/msg") || path == "kernel/sem" || path.starts_with("fs/mqueue/");
  if (!ipc) return fail(Code::invalid_argument, "sysctl '{}' belongs to no namespace of a pod", path);
  if (own_ipc) return {};
  return fail(Code::invalid_argument, "sysctl '{}' would change the host's IPC: the pod has none of its own", path);
}

Result<PodRoot> pod_root(const PodConfig& config) {
  if (!own_user(config)) return PodRoot{};
  const auto find_zero = [](const auto& maps) -> Result<std::uint32_t> {
    for (const IdMap& map : maps)
      if (map.inside() == 0 && map.count() > 0) return map.outside();
    return fail(Code::invalid_argument, "the pod's user namespace has no id 0");
  };
  PodRoot root;
  TRY_ASSIGN(root.uid, find_zero(config.uid_maps()));
  TRY_ASSIGN(root.gid, find_zero(config.gid_maps()));
  return root;
}

Result<PodNamespaces> make_namespaces(const PodConfig& config, const Origin& origin) {
  const bool outside = own_user(config);
  TRY_ASSIGN(Outcome made, Task::run(origin, {}, [&config, outside](Outcome& outcome) {
               auto done = make_them(config, outcome);
               if (done.ok() && !outside) done = furnish(config);
               settle(done, outcome);
             }));
  PodNamespaces out;
  std::size_t next = 0;
  if (outside) out.user = std::move(made.fds.at(next++));
  if (own_net(config)) out.net = std::move(made.fds.at(next++));
  if (!config.host_ipc()) out.ipc = std::move(made.fds.at(next++));
  if (own_uts(config)) out.uts = std::move(made.fds.at(next++));
  if (outside) TRY(furnish_from_outside(config, origin, out));
  return out;
}

Result<void> pin_network(FdRef net, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (path.empty() || path[0] != '/' || slash == 0) return fail(Code::invalid_argument, "netns path '{}' is not absolute", path);
  TRY(share_directory(path.substr(0, slash)));
  { TRY_ASSIGN(const UniqueFd file, sys::open_path(path, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0444)); }
  const std::string source = fmt::format("/proc/self/fd/{}", net.get());
  if (::mount(source.c_str(), path.c_str(), "none", MS_BIND, nullptr) == 0) return {};
  const int err = errno;
  (void)::unlink(path.c_str());
  return fail_errno(err, "pin the network namespace at '{}'", path);
}

Result<void> unpin_network(const std::string& path) {
  TRY(unmount(path));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, "remove '{}'", path);
  return {};
}

Result<void> mount_tmpfs(const std::string& path, const TmpfsOptions& options) {
  if (options.size <= 0) return fail(Code::invalid_argument, "'{}': a size of {}", path, options.size);
  TRY(sys::make_directories(path, 0755));
  std::string data = fmt::format("mode={},size={},uid={},gid={}", options.mode, options.size, options.owner.uid, options.owner.gid);
  if (!options.label.empty()) data += fmt::format(",context=\"{}\"", options.label);  // quoted: levels hold commas
  if (::mount(path.c_str() + path.rfind('/') + 1, path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, data.c_str()) != 0)
    return fail_errno(errno, "mount a tmpfs at '{}'", path);
  return {};
}

Result<void> unmount_tmpfs(const std::string& path) {
  TRY(unmount(path));
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, "remove '{}'", path);
  return {};
}

}  // namespace slipway::monitor
