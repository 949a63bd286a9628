// Mounts by descriptor: fsopen, open_tree, mount_setattr, move_mount (mount_setattr(2) and the kernel's fs.h are the manual).
//
// A DetachedMount belongs to no mount namespace; closing it unmounts it unless it was attached before.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::sys {

class DetachedMount {
 public:
  DetachedMount() = default;
  explicit DetachedMount(UniqueFd fd) : fd_(std::move(fd)) {}

  FdRef fd() const { return fd_; }
  int get() const { return fd_.get(); }
  UniqueFd release() { return std::move(fd_); }

 private:
  UniqueFd fd_;
};

struct FilesystemOption {
  std::string key;
  std::optional<std::string> value;  // nullopt: a flag
};

struct MountAttributes {
  std::uint64_t set = 0;  // MOUNT_ATTR_…
  std::uint64_t clear = 0;
  std::uint64_t propagation = 0;  // MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE; 0 = leave
  bool recursive = false;

  bool empty() const { return set == 0 && clear == 0 && propagation == 0; }
};

// A new file system. The message of a refusal holds what the file system's driver said. String values end at 255 characters.
Result<DetachedMount> make_filesystem(const std::string& type, std::span<const FilesystemOption> options, std::uint64_t attributes = 0);

// A bind mount of what `path` leads to, alone or with all that is mounted beneath.
Result<DetachedMount> clone_tree(const std::string& path, bool recursive);
Result<DetachedMount> clone_tree_at(FdRef object, bool recursive);  // of the object the descriptor stands for

Result<void> set_attributes(FdRef mount, const MountAttributes& attributes);

// Shows the mount's ids as a user namespace maps them: what is 0 on disk is the host's id of its 0. Only for a detached mount, once. The
// error names the file system where it cannot be mapped.
Result<void> map_ids(FdRef mount, FdRef user_namespace, bool recursive);

// At the object `target` stands for; the descriptor goes on to stand for the mount.
Result<void> attach(const DetachedMount& mount, FdRef target);

}  // namespace slipway::sys
