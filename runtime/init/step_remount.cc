// Entries of config.json's mounts that mount nothing: other options for what is mounted, a link as it is on the host.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

// Options of the file system itself, where there are any: the superblock may be others' too.
int reconfigure(int target, const MountEntry& entry) noexcept {
  if (entry.options.empty()) return 0;
  const auto context = static_cast<int>(::syscall(SYS_fspick, target, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC));
  if (context < 0 || configure(context, entry.options) != 0) return -1;
  return ::fsconfig(context, FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0);
}

int set(int target, unsigned flags, const Change& change) noexcept {
  mount_attr attr{};
  attr.attr_set = change.set;
  attr.attr_clr = change.clear;
  attr.propagation = change.propagation;
  if (attr.attr_set == 0 && attr.attr_clr == 0 && attr.propagation == 0) return 0;
  return ::mount_setattr(target, "", AT_EMPTY_PATH | flags, &attr, sizeof attr);
}

}  // namespace

Failure remount(const InitPlan& plan, const MountEntry& entry, std::uint32_t index) noexcept {
  const int target = open_in_root(plan.root.fd, entry.target, O_PATH, entry.real_target ? RESOLVE_NO_SYMLINKS : 0);
  if (target < 0) return failed(Step::mount_target, index);
  // Without anything to change the calls below would not look.
  struct statx st = {};
  if (::syscall(SYS_statx, target, "", AT_EMPTY_PATH, 0, &st) != 0) return failed(Step::remount, index);
  if ((st.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0) {
    errno = EINVAL;
    return failed(Step::remount, index);
  }
  if (reconfigure(target, entry) != 0 || set(target, AT_RECURSIVE, entry.tree) != 0 || set(target, 0, entry.own) != 0)
    return failed(Step::remount, index);
  return {};
}

// The same link there already is as good.
Failure make_link(const InitPlan& plan, const MountEntry& entry, std::uint32_t index) noexcept {
  char directory[4096];
  const std::size_t length = ::strlen(entry.target);
  if (length >= sizeof directory) {
    errno = ENAMETOOLONG;
    return failed(Step::mount_target, index);
  }
  std::size_t slash = length;
  while (slash > 0 && entry.target[slash - 1] != '/') --slash;
  for (std::size_t i = 0; i < slash; ++i) directory[i] = entry.target[i];
  directory[slash == 0 ? 0 : slash - 1] = '\0';
  const int parent = slash == 0 ? plan.root.fd : open_target(plan.root.fd, directory, true);
  if (parent < 0) return failed(Step::mount_target, index);
  const char* name = entry.target + slash;
  if (::syscall(SYS_symlinkat, entry.link, parent, name) == 0) return {};
  const int why = errno;
  char there[4096];
  const long n = why == EEXIST ? ::syscall(SYS_readlinkat, parent, name, there, sizeof there) : -1;
  const auto wanted = static_cast<long>(::strlen(entry.link));
  bool same = n == wanted;
  for (long i = 0; same && i < n; ++i) same = there[i] == entry.link[i];
  errno = why;
  return same ? Failure{} : failed(Step::link, index);
}

}  // namespace slipway::runtime::init
