// The container's root: attached, filled with its mounts, made the only tree.
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/weaken.h"
#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

constexpr std::size_t kPathMax = 4096;

int set_attributes(int mount, unsigned flags, std::uint64_t set, std::uint64_t propagation) noexcept {
  mount_attr attr{};
  attr.attr_set = set;
  attr.propagation = propagation;
  return ::mount_setattr(mount, "", AT_EMPTY_PATH | flags, &attr, sizeof attr);
}

// close_used ends them all with one call; before that they must not run out.
void close_if_many(int fd) noexcept {
  constexpr int kMany = 256;
  if (fd >= kMany) (void)::close(fd);
}

// A directory or an empty file beneath `parent`. What is there already is fine: the caller resolves it again.
int make_component(int parent, const char* name, bool directory) noexcept {
  if (directory) return ::mkdirat(parent, name, 0755) == 0 || errno == EEXIST ? 0 : -1;
  const int fd = ::openat(parent, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) return errno == EEXIST ? 0 : -1;
  return ::close(fd);
}

// mkdir -p by descriptors. Every prefix is resolved in the root again after its last component was made, so a link put
// there meanwhile leads nowhere but into the root (CVE-2024-45310).
[[gnu::noinline]] int make_target(int root, const char* path, bool directory, std::uint64_t resolve) noexcept {
  char prefix[kPathMax];
  const std::size_t length = ::strlen(path);
  if (length >= sizeof prefix) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int parent = root;
  std::size_t begin = 0;
  for (std::size_t end = 0; end <= length; ++end) {
    if (path[end] != '/' && path[end] != '\0') {
      prefix[end] = path[end];
      continue;
    }
    prefix[end] = '\0';
    const bool last = end == length;
    const int flags = O_PATH | (last && !directory ? 0 : O_DIRECTORY);
    int fd = open_in_root(root, prefix, flags, resolve);
    if (fd < 0 && errno == ENOENT) {
      if (make_component(parent, prefix + begin, !last || directory) != 0) return -1;
      fd = open_in_root(root, prefix, flags, resolve);
    }
    if (parent != root) (void)::close(parent);
    if (fd < 0 || last) return fd;
    parent = fd;
    prefix[end] = '/';
    begin = end + 1;
  }
  return -1;
}

// Only in a user namespace, whose root may not make a sysfs for a network namespace that is not its own (or the like of it) but sees the
// host's; and only while the host's tree is there. Attributes are added, so that locked ones stay.
int bind_instead(const InitPlan& plan, const MountEntry& entry) noexcept {
  const int why = errno;
  struct stat st = {};
  constexpr ino_t kInitial = 0xEFFFFFFD;  // PROC_USER_INIT_INO of the kernel
  const bool may = entry.fallback != nullptr && (why == EPERM || why == EBUSY) && plan.birth != Birth::late &&
                   ::fstatat(AT_FDCWD, "/proc/self/ns/user", &st, 0) == 0 && st.st_ino != kInitial;
  errno = why;
  if (!may) return -1;
  const int mount = ::open_tree(AT_FDCWD, entry.fallback, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  if (mount < 0) {
    errno = why;
    return -1;
  }
  const std::uint64_t added = entry.attributes & ~std::uint64_t{MOUNT_ATTR__ATIME};
  return set_attributes(mount, AT_RECURSIVE, added, entry.propagation == 0 ? std::uint64_t{MS_PRIVATE} : entry.propagation) == 0 ? mount
                                                                                                                                 : -1;
}

// mqueue: one of its kind was made with the IPC namespace, and an option that differs from that one's is refused.
int set_label(int mount, const char* label) noexcept {
  const int top = ::openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (top < 0) return -1;
  const int done = ::fsetxattr(top, "security.selinux", label, ::strlen(label) + 1, 0);
  (void)::close(top);
  return done;
}

// A file system that takes its namespace from its maker: proc, sysfs, mqueue, cgroup2, devpts.
int make_filesystem(const InitPlan& plan, const MountEntry& entry) noexcept {
  const int context = entry.of_pid ? open_proc_context(plan.pid) : ::fsopen(entry.type, FSOPEN_CLOEXEC);
  if (context < 0) return bind_instead(plan, entry);
  if (configure(context, entry.options) != 0) return -1;
  if (::fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return bind_instead(plan, entry);
  const int mount = ::fsmount(context, FSMOUNT_CLOEXEC, static_cast<unsigned>(entry.attributes));
  if (mount < 0) return bind_instead(plan, entry);
  close_if_many(context);
  if (entry.label != nullptr && set_label(mount, entry.label) != 0) return -1;
  if (entry.propagation != 0 && set_attributes(mount, 0, 0, entry.propagation) != 0) return -1;
  return mount;
}

// Standing in it, as after setns(2).
Failure enter_root(int root) noexcept {
  if (root < 0) return {};
  if (::fchdir(root) != 0 || ::chroot(".") != 0) return failed(Step::pivot, 5);
  return {};
}

// What is mounted here is the host's to see, and the mount at attach_at alone is the container's to change.
Failure attach_on_host(const RootPlan& root) noexcept {
  const int target = ::openat(AT_FDCWD, root.attach_at, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (target < 0 || attach(root.fd, target) != 0) return failed(Step::root_attach, 1);
  (void)::close(target);
  // A shared mount beneath made it shared: what is mounted on it would be copied to wherever that one has peers.
  if (root.propagation == 0 && set_attributes(root.fd, AT_RECURSIVE, 0, MS_PRIVATE) != 0) return failed(Step::root_propagation, 2);
  return {};
}

Failure change_root(const RootPlan& root) noexcept {
  if (::fchdir(root.fd) != 0) return failed(Step::pivot, 0);
  if (root.pivot) {
    // The old root ends up mounted over the new one at the same place, where "." finds it (pivot_root(2)).
    if (::syscall(SYS_pivot_root, ".", ".") != 0) return failed(Step::pivot, 1);
    if (::umount2(".", MNT_DETACH) != 0) return failed(Step::pivot, 2);
  } else if (::chroot(".") != 0) {
    return failed(Step::pivot, 3);
  }
  return ::chdir("/") == 0 ? Failure{} : failed(Step::pivot, 4);
}

Failure wait_for_hooks(const InitPlan& plan) noexcept {
  if (!plan.hooks) return {};
  Message message{Kind::environment, Step::none, 0, 0};
  if (::send(plan.sync_fd, &message, sizeof message, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof message)) return failed(Step::hooks);
  return receive_message(plan.sync_fd, &message) == 0 ? Failure{} : failed(Step::hooks, 1);
}

bool is_directory(int fd) noexcept {
  struct stat st = {};
  return ::fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

// A missing target is made as what goes there.
int open_mount_target(const InitPlan& plan, const MountEntry& entry) noexcept {
  const std::uint64_t resolve = entry.real_target ? RESOLVE_NO_SYMLINKS : 0;
  const int target = open_in_root(plan.root.fd, entry.target, O_PATH, resolve);
  if (target >= 0 || errno != ENOENT) return target;
  return make_target(plan.root.fd, entry.target, entry.fd < 0 || is_directory(entry.fd), resolve);
}

// move_mount(2) says EINVAL where a file should go over a directory or the other way round.
int attach_matching(int mount, int target) noexcept {
  if (attach(mount, target) == 0) return 0;
  if (errno == EINVAL && is_directory(mount) != is_directory(target)) errno = is_directory(target) ? EISDIR : ENOTDIR;
  return -1;
}

Failure attach_entry(const InitPlan& plan, const MountEntry& entry, std::uint32_t index) noexcept {
  if (entry.remount) return remount(plan, entry, index);
  if (entry.link != nullptr) return make_link(plan, entry, index);
  const int mount = entry.fd >= 0 ? entry.fd : make_filesystem(plan, entry);
  if (mount < 0) return failed(Step::mount_make, index);
  const int target = open_mount_target(plan, entry);
  if (target < 0) return failed(Step::mount_target, index);
  if (attach_matching(mount, target) != 0) return failed(Step::mount_attach, index);
  close_if_many(target);
  return {};
}

}  // namespace

int attach(int mount, int target) noexcept {
  return ::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int configure(int context, View<FsOption> options) noexcept {
  for (const FsOption& option : options) {
    const unsigned command = option.value == nullptr ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
    if (::fsconfig(context, command, option.key, option.value, 0) != 0) return -1;
  }
  return 0;
}

int open_in_root(int root, const char* path, int flags, std::uint64_t resolve) noexcept {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.resolve = (weakened(Defence::in_root) ? 0 : RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) | resolve;
  // EAGAIN: a rename raced with ".."; an attacker who keeps racing gets an error, not an escape.
  for (int tries = 0; tries < 128; ++tries) {
    const long fd = ::syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN) return static_cast<int>(fd);
  }
  return -1;
}

int open_target(int root, const char* path, bool directory, std::uint64_t resolve) noexcept {
  const int fd = open_in_root(root, path, O_PATH | (directory ? O_DIRECTORY : 0), resolve);
  return fd >= 0 || errno != ENOENT ? fd : make_target(root, path, directory, resolve);
}

// Nothing that is mounted here may reach the host, and pivot_root refuses a shared parent.
Failure make_private(const InitPlan& plan, Progress&) noexcept {
  const bool own_tree = (plan.root.fd >= 0 || plan.root.awaited) && !plan.root.host_mounts;
  mount_attr attr{};
  attr.propagation = MS_PRIVATE;
  if (own_tree && ::mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) != 0) return failed(Step::root_propagation);
  return {};
}

Failure make_own_mounts(const InitPlan& plan, Progress&) noexcept {
  if (!plan.root.awaited) return {};
  std::uint32_t index = 0;
  for (const MountEntry& entry : plan.root.mounts) {
    if (entry.type != nullptr && !entry.remount) {
      const int mount = make_filesystem(plan, entry);
      if (mount < 0) return failed(Step::mount_make, index);
      const_cast<MountEntry&>(entry).fd = mount;  // our copy of the runner's vector
    }
    ++index;
  }
  return {};
}

Failure attach_root(const InitPlan& plan, Progress&) noexcept {
  if (plan.root.fd < 0) return enter_root(plan.enter_root);
  if (plan.root.host_mounts) return attach_on_host(plan.root);
  if (plan.root.attach_at != nullptr) {
    const int target = ::openat(AT_FDCWD, plan.root.attach_at, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (target < 0 || attach(plan.root.fd, target) != 0) return failed(Step::root_attach, 1);
    (void)::close(target);
    return {};
  }
  // Over "/" itself: no directory of the host is needed to stand on, and pivot_root takes it from there.
  if (::move_mount(plan.root.fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) != 0) return failed(Step::root_attach);
  return {};
}

Failure attach_mounts(const InitPlan& plan, Progress&) noexcept {
  std::uint32_t index = 0;
  for (const MountEntry& entry : plan.root.mounts) {
    const Failure failure = attach_entry(plan, entry, index);
    if (failure.step != Step::none) return failure;
    ++index;
  }
  return {};
}

Failure finish_mounts(const InitPlan& plan, Progress&) noexcept {
  const RootPlan& root = plan.root;
  if (root.fd < 0) return {};
  std::uint32_t index = 0;
  for (const MountEntry& entry : root.mounts) {
    if (entry.readonly_last && set_attributes(entry.fd, 0, MOUNT_ATTR_RDONLY, 0) != 0) return failed(Step::mount_readonly, index);
    ++index;
  }
  // A missing working directory is made, as image builders expect; why it could not be shows when it is entered.
  if (root.make_directory != nullptr) {
    const int fd = open_target(root.fd, root.make_directory, true);
    if (fd >= 0) (void)::close(fd);
  }
  if (root.readonly && set_attributes(root.fd, 0, MOUNT_ATTR_RDONLY, 0) != 0) return failed(Step::root_readonly);
  return {};
}

Failure await_hooks_early(const InitPlan& plan, Progress&) noexcept {
  return plan.birth == Birth::late ? wait_for_hooks(plan) : Failure{};
}

Failure await_hooks(const InitPlan& plan, Progress&) noexcept {
  return plan.birth == Birth::late ? Failure{} : wait_for_hooks(plan);
}

Failure pivot_first(const InitPlan& plan, Progress&) noexcept {
  return plan.root.fd >= 0 && plan.birth == Birth::late ? change_root(plan.root) : Failure{};
}

Failure pivot(const InitPlan& plan, Progress&) noexcept {
  const RootPlan& root = plan.root;
  if (root.fd < 0) return {};
  if (plan.birth != Birth::late) {
    const Failure failure = change_root(root);
    if (failure.step != Step::none) return failure;
  }
  if (root.propagation != 0 && set_attributes(root.fd, 0, 0, root.propagation) != 0) return failed(Step::root_propagation, 1);
  return {};
}

}  // namespace slipway::runtime::init
