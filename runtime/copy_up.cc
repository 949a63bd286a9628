// A tree copied by descriptors: no link in it leads anywhere.
#include "runtime/copy_up.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sys/file.h"

namespace slipway::runtime {
namespace {

constexpr int kDeepest = 64;
constexpr const char* kCapability = "security.capability";

Result<void> copy_content(FdRef from, FdRef to, const std::string& name) {
  for (;;) {
    const ssize_t n = sys::retry_eintr([&] { return ::sendfile(to.get(), from.get(), nullptr, 1 << 20); });
    if (n < 0) return fail_errno(errno, "copy '{}'", name);
    if (n == 0) return {};
  }
}

// The owner before the mode, and both before the capabilities: a change of the owner takes the later ones away.
Result<void> copy_attributes(FdRef from, FdRef to, const struct stat& st, const std::string& name) {
  if (::fchown(to.get(), st.st_uid, st.st_gid) != 0) return fail_errno(errno, "own '{}'", name);
  if (::fchmod(to.get(), st.st_mode & 07777) != 0) return fail_errno(errno, "set the mode of '{}'", name);
  char value[64];
  const ssize_t n = S_ISREG(st.st_mode) ? ::fgetxattr(from.get(), kCapability, value, sizeof value) : -1;
  if (n > 0 && ::fsetxattr(to.get(), kCapability, value, static_cast<std::size_t>(n), 0) != 0)
    return fail_errno(errno, "copy the capabilities of '{}'", name);
  const timespec times[2] = {st.st_atim, st.st_mtim};
  if (::futimens(to.get(), times) != 0) return fail_errno(errno, "set the times of '{}'", name);
  return {};
}

Result<void> copy_link(FdRef from, FdRef to, const std::string& name, const struct stat& st) {
  char target[PATH_MAX];
  const ssize_t n = ::readlinkat(from.get(), name.c_str(), target, sizeof target - 1);
  if (n < 0) return fail_errno(errno, "read the link '{}'", name);
  target[n] = '\0';
  if (::symlinkat(target, to.get(), name.c_str()) != 0) return fail_errno(errno, "make the link '{}'", name);
  if (::fchownat(to.get(), name.c_str(), st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "own '{}'", name);
  return {};
}

Result<void> copy_node(FdRef to, const std::string& name, const struct stat& st) {
  if (S_ISSOCK(st.st_mode)) return {};
  if (::mknodat(to.get(), name.c_str(), st.st_mode & (S_IFMT | 07777), st.st_rdev) != 0) return fail_errno(errno, "make '{}'", name);
  if (::fchownat(to.get(), name.c_str(), st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "own '{}'", name);
  return {};
}

Result<void> copy_file(FdRef from, FdRef to, const std::string& name, const struct stat& st) {
  TRY_ASSIGN(const UniqueFd source, sys::open_regular_at(from, name));
  TRY_ASSIGN(const UniqueFd copy, sys::open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  TRY(copy_content(source, copy, name));
  return copy_attributes(source, copy, st, name);
}

Result<void> copy_tree(FdRef from, FdRef to, int depth);

Result<void> copy_directory(FdRef from, FdRef to, const std::string& name, const struct stat& st, int depth) {
  TRY_ASSIGN(const UniqueFd source, sys::open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (::mkdirat(to.get(), name.c_str(), 0700) != 0) return fail_errno(errno, "make '{}'", name);
  TRY_ASSIGN(const UniqueFd copy, sys::open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY(copy_tree(source, copy, depth + 1));
  return copy_attributes(source, copy, st, name);
}

Result<void> copy_tree(FdRef from, FdRef to, int depth) {
  if (depth > kDeepest) return fail(Code::resource_exhausted, "a tree of more than {} levels", kDeepest);
  TRY_ASSIGN(const std::vector<std::string> names, sys::list_directory(from));
  for (const std::string& name : names) {
    struct stat st = {};
    if (::fstatat(from.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "stat '{}'", name);
    if (S_ISDIR(st.st_mode)) {
      TRY(copy_directory(from, to, name, st, depth));
    } else if (S_ISREG(st.st_mode)) {
      TRY(copy_file(from, to, name, st));
    } else if (S_ISLNK(st.st_mode)) {
      TRY(copy_link(from, to, name, st));
    } else {
      TRY(copy_node(to, name, st));
    }
  }
  return {};
}

}  // namespace

Result<void> copy_up(FdRef root, const std::string& path, FdRef to, const CopyUp& options) {
  auto from = sys::open_in_root(root, path, O_RDONLY | O_DIRECTORY);
  if (!from.ok() && from.error().sys_errno == ENOENT) return {};
  if (!from.ok()) return std::move(from).error();
  TRY_ASSIGN(const UniqueFd target, sys::open_at(to, ".", O_RDONLY | O_DIRECTORY));  // an fsmount(2) descriptor is only O_PATH
  TRY(copy_tree(from.value(), target, 0));
  struct stat st = {};
  if (::fstat(from.value().get(), &st) != 0) return fail_errno(errno, "stat '{}'", path);
  if (options.keep_owner && ::fchown(target.get(), st.st_uid, st.st_gid) != 0) return fail_errno(errno, "own the copy of '{}'", path);
  if (options.keep_mode && ::fchmod(target.get(), st.st_mode & 07777) != 0)
    return fail_errno(errno, "set the mode of the copy of '{}'", path);
  return {};
}

}  // namespace slipway::runtime
