// What a pod leaves on the host when its monitor could not clean up: found in mountinfo and by the pod's id.
#include "engine/pod_remains.h"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/fault.h"
#include "sys/file.h"
#include "sys/mountinfo.h"

namespace slipway::engine {
namespace {

// Mount points beneath a directory, the deepest last.
Result<std::vector<std::string>> mounts_beneath(const std::string& directory) {
  TRY_ASSIGN(const auto mounts, sys::read_mountinfo("/proc/self/mountinfo"));
  std::vector<std::string> found;
  for (const sys::MountLine& mount : mounts)
    if (mount.point.starts_with(directory + "/")) found.push_back(mount.point);
  return found;
}

}  // namespace

Result<void> remove_netns(const std::string& path) {
  if (path.empty()) return {};
  TRY(fault::point("remove a network namespace's name"));
  // EINVAL: a file, not a mount; ENOENT: nothing at all.
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
    return fail_errno(errno, "unmount '{}'", path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno(errno, "remove '{}'", path);
  return {};
}

Result<void> remove_pod_directory(const PodPaths& paths) {
  const std::size_t slash = paths.directory.rfind('/');
  auto parent = sys::open_path(paths.directory.substr(0, slash), O_RDONLY | O_DIRECTORY);
  if (!parent.ok()) return parent.error().code == Code::not_found ? Result<void>{} : Result<void>(std::move(parent).error());
  TRY_ASSIGN(std::vector<std::string> mounts, mounts_beneath(paths.directory));
  std::reverse(mounts.begin(), mounts.end());
  for (const std::string& point : mounts)
    if (::umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
      return fail_errno(errno, "unmount '{}'", point);
  return sys::remove_tree(parent.value(), paths.directory.substr(slash + 1));
}

Result<std::string> read_exit_record(const PodPaths& paths, const std::string& container_id) {
  return sys::read_file(bundle_path(paths, container_id) + "/exit", 64 * 1024);
}

}  // namespace slipway::engine
