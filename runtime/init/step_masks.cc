// Masked and read-only paths of the container's root.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

// What a path leads to, or -1. Absent is the only reason to leave a path as it is.
int open_listed(int root, const char* path, bool* absent) noexcept {
  const int fd = open_in_root(root, path, O_PATH);
  *absent = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
  return fd;
}

int attach(int mount, int target) noexcept {
  return ::move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int clone_mount(int mount, unsigned flags) noexcept {
  return ::open_tree(mount, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

// The first use attaches the runner's detached mount; now it lies in this namespace, and the next ones are clones of it.
int next_cover(int mount, bool* used) noexcept {
  if (*used) return clone_mount(mount, 0);
  *used = true;
  return mount;
}

}  // namespace

// Descriptors are not closed one by one: close_used ends them all.
Failure mask_paths(const InitPlan& plan, Progress&) noexcept {
  bool file_used = false;
  bool directory_used = false;
  for (std::uint32_t i = 0; i < plan.root.masked.size; ++i) {
    bool absent = false;
    const int target = open_listed(plan.root.fd, plan.root.masked[i], &absent);
    if (absent) continue;
    struct stat st = {};
    if (target < 0 || ::fstat(target, &st) != 0) return failed(Step::mask, i);
    const int cover =
        S_ISDIR(st.st_mode) ? next_cover(plan.root.mask_directory, &directory_used) : next_cover(plan.root.mask_file, &file_used);
    if (cover < 0 || attach(cover, target) != 0) return failed(Step::mask, i);
  }
  return {};
}

Failure readonly_paths(const InitPlan& plan, Progress&) noexcept {
  for (std::uint32_t i = 0; i < plan.root.readonly_paths.size; ++i) {
    bool absent = false;
    const int target = open_listed(plan.root.fd, plan.root.readonly_paths[i], &absent);
    if (absent) continue;
    if (target < 0) return failed(Step::readonly_path, i);
    const int clone = clone_mount(target, AT_RECURSIVE);
    if (clone < 0) return failed(Step::readonly_path, i);
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY;
    if (::mount_setattr(clone, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0) return failed(Step::readonly_path, i);
    if (attach(clone, target) != 0) return failed(Step::readonly_path, i);
  }
  return {};
}

}  // namespace slipway::runtime::init
