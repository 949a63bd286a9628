// Mounts by descriptor.
#include "sys/mount.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace slipway::sys {
namespace {

// What a driver said through its fs context, e.g. "overlay: No changes allowed in upperdir"; one message a read(2).
std::string driver_messages(FdRef context) {
  std::string text;
  char buffer[512];
  for (int i = 0; i < 8; ++i) {
    const ssize_t n = ::read(context.get(), buffer, sizeof buffer);
    if (n <= 0) break;
    std::string_view line(buffer, static_cast<std::size_t>(n));
    if (line.size() > 2 && line[1] == ' ') line.remove_prefix(2);  // the level: "e "
    while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    text += fmt::format(" ({})", line);
  }
  return text;
}

Result<void> set_option(FdRef context, const std::string& type, const FilesystemOption& option) {
  const unsigned command = option.value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
  if (::fsconfig(context.get(), command, option.key.c_str(), option.value ? option.value->c_str() : nullptr, 0) == 0) return {};
  const int err = errno;
  const std::string shown = option.value ? option.key + "=" + *option.value : option.key;
  return fail_errno(err, "option '{}' of file system '{}'{}", shown, type, driver_messages(context));
}

// Those that people bind into containers; any other by its number.
std::string filesystem_name(FdRef mount) {
  struct statfs fs = {};
  if (::fstatfs(mount.get(), &fs) != 0) return "an unknown one";
  switch (fs.f_type) {
    case TMPFS_MAGIC: return "tmpfs, which Linux 6.3 and later can map";
    case OVERLAYFS_SUPER_MAGIC: return "overlay";
    case NFS_SUPER_MAGIC: return "nfs";
    case FUSE_SUPER_MAGIC: return "fuse";
    case PROC_SUPER_MAGIC: return "proc";
    case SYSFS_MAGIC: return "sysfs";
    default: return fmt::format("{:#x} (statfs)", static_cast<unsigned long>(fs.f_type));
  }
}

}  // namespace

Result<DetachedMount> make_filesystem(const std::string& type, std::span<const FilesystemOption> options, std::uint64_t attributes) {
  const UniqueFd context(::fsopen(type.c_str(), FSOPEN_CLOEXEC));
  if (!context) return fail_errno(errno, "open file system '{}'", type);
  for (const FilesystemOption& option : options) TRY(set_option(context, type, option));
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    const int err = errno;
    return fail_errno(err, "make file system '{}'{}", type, driver_messages(context));
  }
  UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes)));
  if (!mount) return fail_errno(errno, "mount file system '{}'", type);
  return DetachedMount(std::move(mount));
}

Result<DetachedMount> clone_tree(const std::string& path, bool recursive) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  UniqueFd mount(::open_tree(AT_FDCWD, path.c_str(), flags));
  if (!mount) return fail_errno(errno, "bind '{}'", path);
  return DetachedMount(std::move(mount));
}

Result<DetachedMount> clone_tree_at(FdRef object, bool recursive) {
  const unsigned flags = AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  UniqueFd mount(::open_tree(object.get(), "", flags));
  if (!mount) return fail_errno(errno, "bind a descriptor");
  return DetachedMount(std::move(mount));
}

Result<void> set_attributes(FdRef mount, const MountAttributes& attributes) {
  if (attributes.empty()) return {};
  mount_attr attr{};
  attr.attr_set = attributes.set;
  attr.attr_clr = attributes.clear;
  attr.propagation = attributes.propagation;
  const unsigned flags = AT_EMPTY_PATH | (attributes.recursive ? AT_RECURSIVE : 0);
  if (::mount_setattr(mount.get(), "", flags, &attr, sizeof attr) != 0) return fail_errno(errno, "set the attributes of a mount");
  return {};
}

Result<void> map_ids(FdRef mount, FdRef user_namespace, bool recursive) {
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_IDMAP;
  attr.userns_fd = static_cast<std::uint64_t>(user_namespace.get());
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) == 0) return {};
  const int err = errno;
  if (err == EPERM)
    return fail(Code::permission_denied, "only who may mount its file system may map its ids, and an ordinary user may not: {}",
                filesystem_name(mount));
  if (err != EINVAL) return fail_errno(err, "map the ids of a mount");
  return fail(Code::failed_precondition, "its file system cannot be id-mapped on this kernel: {}", filesystem_name(mount));
}

Result<void> attach(const DetachedMount& mount, FdRef target) {
  if (::move_mount(mount.get(), "", target.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
    return fail_errno(errno, "attach a mount");
  return {};
}

}  // namespace slipway::sys
