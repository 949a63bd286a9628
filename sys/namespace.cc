// Namespaces as descriptors.
#include "sys/namespace.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::sys {
namespace {

constexpr std::size_t kMapLimit = 64 * 1024;  // 340 lines at most (user_namespaces(7))

// A child in a user namespace that waits until it is let go: something must be in /proc to write maps for, or to read them of.
struct Holder {
  Child child;
  UniqueFd leash;  // closed: the child ends
};

[[noreturn]] void hold(int leash_read, int leash_write, int join, int ready) {
  (void)::close(leash_write);
  const char joined = join < 0 || ::setns(join, CLONE_NEWUSER) == 0 ? 0 : 1;
  (void)!::write(ready, &joined, 1);
  char end = 0;
  (void)!::read(leash_read, &end, 1);
  ::_exit(0);
}

Result<Holder> start_holder(int join) {
  TRY_ASSIGN(Pipe leash, make_pipe());
  Holder holder;
  holder.leash = std::move(leash.write);
  TRY_ASSIGN(Pipe ready, make_pipe());
  clone_args args{};
  int pidfd = -1;
  args.flags = CLONE_PIDFD | (join < 0 ? std::uint64_t{CLONE_NEWUSER} : 0);
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return fail_errno(errno, "clone a process for a user namespace");
  if (pid == 0) hold(leash.read.get(), holder.leash.get(), join, ready.write.get());
  holder.child = Child(static_cast<pid_t>(pid), UniqueFd(pidfd));
  ready.write.reset();
  char joined = 1;
  if (retry_eintr([&] { return ::read(ready.read.get(), &joined, 1); }) != 1 || joined != 0)
    return fail(Code::failed_precondition, "the user namespace cannot be joined");
  return holder;
}

}  // namespace

Result<void> write_id_map(pid_t pid, const char* file, const std::string& text) {
  TRY_ASSIGN(const UniqueFd fd, open_path(fmt::format("/proc/{}/{}", pid, file), O_WRONLY));
  const ssize_t n = retry_eintr([&] { return ::write(fd.get(), text.data(), text.size()); });
  if (n == static_cast<ssize_t>(text.size())) return {};
  const int err = n < 0 ? errno : EIO;
  std::string shown = text;
  std::replace(shown.begin(), shown.end(), '\n', ';');
  const char* why = err == EPERM ? " (ids that this process may not map: user_namespaces(7))" : "";
  return fail_errno(err, "write the id map '{}' to {}{}", shown, file, why);
}

bool in_initial_user_namespace() {
  struct stat st = {};
  return ::stat("/proc/self/ns/user", &st) == 0 && st.st_ino == kInitialUserNamespace;
}

Result<UniqueFd> open_namespace(const std::string& path, int type) {
  TRY_ASSIGN(UniqueFd fd, open_path(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct statfs fs = {};
  if (::fstatfs(fd.get(), &fs) != 0) return fail_errno(errno, "statfs '{}'", path);
  if (fs.f_type != NSFS_MAGIC) return fail(Code::invalid_argument, "'{}' is not a namespace", path);
  TRY_ASSIGN(const int found, namespace_type(fd));
  if (found != type) return fail(Code::invalid_argument, "'{}' is a namespace of another type (0x{:x}, not 0x{:x})", path, found, type);
  return fd;
}

Result<int> namespace_type(FdRef ns) {
  const int type = ::ioctl(ns.get(), NS_GET_NSTYPE);
  if (type < 0) return fail_errno(errno, "ask for the type of a namespace");
  return type;
}

Result<void> join_namespace(FdRef ns, int type) {
  if (::setns(ns.get(), type) != 0) return fail_errno(errno, "join a namespace of type 0x{:x}", type);
  return {};
}

Result<unsigned long> namespace_id(FdRef ns) {
  struct stat st = {};
  if (::fstat(ns.get(), &st) != 0) return fail_errno(errno, "stat a namespace");
  return static_cast<unsigned long>(st.st_ino);
}

Result<bool> shares_namespace(pid_t pid, const std::string& kind, unsigned long* own) {
  struct stat theirs = {};
  struct stat ours = {};
  const std::string path = fmt::format("/proc/{}/ns/{}", pid, kind);
  if (::stat(("/proc/self/ns/" + kind).c_str(), &ours) != 0) {
    if (errno == ENOENT) return true;  // a kernel without this kind
    return fail_errno(errno, "stat /proc/self/ns/{}", kind);
  }
  if (own != nullptr) *own = static_cast<unsigned long>(ours.st_ino);
  if (::stat(path.c_str(), &theirs) != 0) return fail_errno(errno, "stat '{}'", path);
  return theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

Result<UniqueFd> make_user_namespace(const std::function<Result<void>(pid_t)>& write_maps) {
  TRY_ASSIGN(Holder holder, start_holder(-1));
  const pid_t pid = holder.child.pid();
  TRY(write_maps(pid));
  return open_path(fmt::format("/proc/{}/ns/user", pid), O_RDONLY);
}

Result<UniqueFd> make_user_namespace(const std::string& uid_map, const std::string& gid_map) {
  return make_user_namespace([&](pid_t pid) -> Result<void> {
    TRY(write_id_map(pid, "uid_map", uid_map));
    return write_id_map(pid, "gid_map", gid_map);
  });
}

Result<IdMapTexts> read_id_maps(pid_t pid) {
  IdMapTexts out;
  TRY_ASSIGN(out.uids, read_file(fmt::format("/proc/{}/uid_map", pid), kMapLimit));
  TRY_ASSIGN(out.gids, read_file(fmt::format("/proc/{}/gid_map", pid), kMapLimit));
  return out;
}

Result<IdMapTexts> read_id_maps(FdRef user_namespace) {
  TRY_ASSIGN(const Holder holder, start_holder(user_namespace.get()));
  return read_id_maps(holder.child.pid());
}

}  // namespace slipway::sys
