// Masked and read-only paths of the container's root.
#include <fcntl.h>
#include <sys/mount.h>

#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

// What a path leads to, or -1. Absent is the only reason to leave a path as it is.
int open_listed(int root, const char* path, bool* absent) noexcept {
  const int fd = open_in_root(root, path, O_PATH);
  *absent = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
  return fd;
}

int clone_mount(int mount, unsigned flags) noexcept {
  return ::open_tree(mount, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

// Covers one path after another by mounts of one kind. The first use attaches the runner's detached mount; now it lies in this namespace,
// and the next ones are clones of it. One that could not be attached waits for the next path.
class Cover {
 public:
  explicit Cover(int mount) noexcept : mount_(mount), next_(mount) {}
  int attach_to(int target) noexcept {
    if (next_ < 0) next_ = clone_mount(mount_, 0);
    if (next_ < 0 || attach(next_, target) != 0) return -1;
    next_ = -1;
    return 0;
  }

 private:
  int mount_;
  int next_;
};

}  // namespace

// Descriptors are not closed one by one: close_used ends them all.
Failure mask_paths(const InitPlan& plan, Progress&) noexcept {
  Cover file(plan.root.mask_file);
  Cover directory(plan.root.mask_directory);
  for (std::uint32_t i = 0; i < plan.root.masked.size; ++i) {
    bool absent = false;
    const int target = open_listed(plan.root.fd, plan.root.masked[i], &absent);
    if (absent) continue;
    if (target < 0) return failed(Step::mask, i);
    // Asking first what it is would be a call more for each: move_mount(2) says EINVAL of a file over a directory.
    if (file.attach_to(target) == 0) continue;
    if (errno != EINVAL || directory.attach_to(target) != 0) return failed(Step::mask, i);
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
