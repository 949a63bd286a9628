// Finding the cgroup2 mount and a process's place beneath it.
#include "cgroups/root.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <string_view>

#include "base/text.h"
#include "sys/file.h"

namespace slipway::cgroups {
namespace {

constexpr std::size_t kProcCgroupLimit = 64 << 10;

Result<bool> is_cgroup2(FdRef dir, const std::string& path) {
  struct statfs about {};
  if (::fstatfs(dir.get(), &about) != 0) return fail_errno(errno, "statfs '{}'", path);
  return about.f_type == CGROUP2_SUPER_MAGIC;
}

}  // namespace

Result<Root> open_root(const std::string& path) {
  TRY_ASSIGN(UniqueFd dir, sys::open_path(path, O_PATH | O_DIRECTORY));
  TRY_ASSIGN(const bool right, is_cgroup2(dir, path));
  if (!right) return fail(Code::failed_precondition, "'{}' is not a cgroup2 file system", path);
  return Root{path, std::move(dir)};
}

Result<Root> open_root() {
  for (const char* path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    auto root = open_root(path);
    if (root.ok()) return root;
  }
  return fail(Code::failed_precondition, "no cgroup2 file system at /sys/fs/cgroup or /sys/fs/cgroup/unified: slipway needs cgroup v2");
}

Result<std::string> path_of(pid_t pid) {
  const std::string file = pid == 0 ? "/proc/self/cgroup" : fmt::format("/proc/{}/cgroup", pid);
  TRY_ASSIGN(const std::string text, sys::read_file(file, kProcCgroupLimit));
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = cut(rest, '\n');
    if (!line.starts_with("0::")) continue;
    line.remove_prefix(3);
    if (line.ends_with(" (deleted)")) line.remove_suffix(std::string_view(" (deleted)").size());
    return std::string(line);
  }
  return fail(Code::failed_precondition, "{}: the process is in no cgroup v2", file);
}

}  // namespace slipway::cgroups
