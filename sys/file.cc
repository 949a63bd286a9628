// Files by descriptor.
#include "sys/file.h"

#include <dirent.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <memory>

#include "base/fault.h"
#include "base/ids.h"
#include "base/weaken.h"

namespace slipway::sys {
namespace {

constexpr std::string_view kTemporary = ".tmp-";

Result<UniqueFd> open_resolved(FdRef root, const std::string& path, int flags, mode_t mode, std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  // openat2 refuses a mode without O_CREAT or O_TMPFILE.
  how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  how.resolve = resolve;
  // EAGAIN: a rename raced with ".." (openat2(2)); a bounded number of tries, then an attacker gets an error.
  for (int tries = 0;; ++tries) {
    const long fd = ::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if ((errno != EAGAIN && errno != EINTR) || tries == 128) return fail_errno(errno, "open '{}'", path);
  }
}

// Splits at '/', dropping empty components and ".".
std::vector<std::string> components(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    if (!part.empty() && part != ".") parts.push_back(part);
    begin = end + 1;
  }
  return parts;
}

std::string temporary_name(const std::string& name) {
  static std::atomic<unsigned> counter{0};
  return fmt::format(".{}{}{}-{}", name, kTemporary, ::getpid(), counter.fetch_add(1));
}

Result<void> write_temporary(FdRef dir, const std::string& name, std::string_view text, mode_t mode, Sync sync) {
  TRY_ASSIGN(const UniqueFd fd, open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
  TRY(write_all(fd, text));
  if (sync == Sync::yes && ::fsync(fd.get()) != 0) return fail_errno(errno, "sync '{}'", name);
  return {};
}

}  // namespace

Result<UniqueFd> open_path(const std::string& path, int flags, mode_t mode) {
  return open_at(FdRef(AT_FDCWD), path, flags, mode);
}

Result<UniqueFd> open_at(FdRef dir, const std::string& path, int flags, mode_t mode) {
  const int fd = retry_eintr([&] { return ::openat(dir.get(), path.c_str(), flags | O_CLOEXEC, mode); });
  if (fd < 0) return fail_errno(errno, "open '{}'", path);
  return UniqueFd(fd);
}

Result<UniqueFd> open_path_without_links(const std::string& path, int flags) {
  return open_resolved(FdRef(AT_FDCWD), path, flags, 0, RESOLVE_NO_SYMLINKS);
}

Result<UniqueFd> open_beneath(FdRef root, const std::string& path, int flags, mode_t mode) {
  return open_resolved(root, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

Result<UniqueFd> open_in_root(FdRef root, const std::string& path, int flags, mode_t mode) {
  return open_resolved(root, path, flags, mode, weakened(Defence::in_root) ? 0 : RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

Result<UniqueFd> reopen_regular(FdRef object, const std::string& path) {
  struct stat st = {};
  if (::fstat(object.get(), &st) != 0) return fail_errno(errno, "stat '{}'", path);
  if (!S_ISREG(st.st_mode)) return fail(Code::failed_precondition, "'{}' is not a regular file", path);
  // Through /proc, which names this very inode.
  return open_path(fmt::format("/proc/self/fd/{}", object.get()), O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

Result<UniqueFd> open_regular_at(FdRef dir, const std::string& name) {
  TRY_ASSIGN(const UniqueFd object, open_at(dir, name, O_PATH | O_NOFOLLOW));
  return reopen_regular(object, name);
}

Result<UniqueFd> open_regular_in_root(FdRef root, const std::string& path) {
  TRY_ASSIGN(const UniqueFd object, open_in_root(root, path, O_PATH));
  return reopen_regular(object, path);
}

Result<std::string> read_fd(FdRef fd, std::size_t limit) {
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t n = retry_eintr([&] { return ::read(fd.get(), buffer, sizeof buffer); });
    if (n < 0) return fail_errno(errno, "read");
    if (n == 0) return text;
    if (text.size() + static_cast<std::size_t>(n) > limit && !weakened(Defence::bounded_reads))
      return fail(Code::resource_exhausted, "read: more than the allowed {} bytes", limit);
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

Result<std::string> read_file_at(FdRef dir, const std::string& path, std::size_t limit) {
  TRY_ASSIGN(const UniqueFd fd, open_at(dir, path, O_RDONLY));
  return read_fd(fd, limit).context("'{}'", path);
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  return read_file_at(FdRef(AT_FDCWD), path, limit);
}

Result<std::string> read_line_file_at(FdRef dir, const std::string& path) {
  TRY_ASSIGN(const UniqueFd fd, open_at(dir, path, O_RDONLY));
  char buffer[16384];
  const ssize_t n = retry_eintr([&] { return ::read(fd.get(), buffer, sizeof buffer); });
  if (n < 0) return fail_errno(errno, "read '{}'", path);
  return std::string(buffer, static_cast<std::size_t>(n));
}

Result<void> write_all(FdRef fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = retry_eintr([&] { return ::write(fd.get(), text.data(), text.size()); });
    if (n < 0) return fail_errno(errno, "write");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> write_file_at(FdRef dir, const std::string& path, std::string_view text) {
  TRY_ASSIGN(const UniqueFd fd, open_at(dir, path, O_WRONLY));
  const ssize_t n = retry_eintr([&] { return ::write(fd.get(), text.data(), text.size()); });
  if (n < 0) return fail_errno(errno, "write '{}' to '{}'", text.substr(0, 256), path);
  if (static_cast<std::size_t>(n) != text.size())
    return fail(Code::internal, "write '{}' to '{}': {} of {} bytes taken", text.substr(0, 256), path, n, text.size());
  return {};
}

Result<void> replace_file(FdRef dir, const std::string& name, std::string_view text, mode_t mode, Sync sync) {
  TRY(fault::point("replace a file"));
  const std::string temporary = temporary_name(name);
  if (Result<void> r = write_temporary(dir, temporary, text, mode, sync); !r.ok()) {
    (void)::unlinkat(dir.get(), temporary.c_str(), 0);
    return std::move(r).error().within("replace '{}'", name);
  }
  fault::moment("a file is written, not yet renamed");
  if (::renameat(dir.get(), temporary.c_str(), dir.get(), name.c_str()) != 0) {
    const int err = errno;
    (void)::unlinkat(dir.get(), temporary.c_str(), 0);
    return fail_errno(err, "rename '{}' to '{}'", temporary, name);
  }
  if (sync == Sync::yes) {
    TRY_ASSIGN(const UniqueFd self, open_at(dir, ".", O_RDONLY | O_DIRECTORY));
    if (::fsync(self.get()) != 0) return fail_errno(errno, "sync the directory of '{}'", name);
  }
  return {};
}

Result<void> remove_temporaries(FdRef dir) {
  TRY_ASSIGN(const std::vector<std::string> names, list_directory(dir));
  for (const std::string& name : names) {
    if (!name.starts_with('.') || name.find(kTemporary) == std::string::npos) continue;
    if (::unlinkat(dir.get(), name.c_str(), 0) != 0 && errno != ENOENT) return fail_errno(errno, "remove '{}'", name);
  }
  return {};
}

Result<void> make_directories(const std::string& path, mode_t mode) {
  TRY(fault::point("make directories"));
  if (::mkdir(path.c_str(), mode) == 0) return {};  // most often all but the last are there, or that too
  struct stat st {};
  if (errno == EEXIST && ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return {};
  std::string walked = path.starts_with('/') ? "/" : "";
  for (const std::string& part : components(path)) {
    walked += part;
    if (::mkdir(walked.c_str(), mode) != 0 && errno != EEXIST) return fail_errno(errno, "make directory '{}'", walked);
    walked += '/';
  }
  if (::stat(path.c_str(), &st) != 0) return fail_errno(errno, "make directory '{}'", path);
  if (!S_ISDIR(st.st_mode)) return fail_errno(ENOTDIR, "make directory '{}'", path);
  return {};
}

Result<UniqueFd> make_directories_in_root(FdRef root, const std::string& path, mode_t mode) {
  // The walked text is resolved from the root each time: a link met on the way is followed inside the root by the kernel.
  std::string walked;
  TRY_ASSIGN(UniqueFd here, open_in_root(root, "/", O_PATH | O_DIRECTORY));
  for (const std::string& part : components(path)) {
    walked += '/';
    walked += part;
    auto next = open_in_root(root, walked, O_PATH | O_DIRECTORY);
    if (!next.ok() && next.error().sys_errno == ENOENT) {
      // A dangling link is EEXIST here and ENOENT below: an error, never a file outside.
      if (part != ".." && ::mkdirat(here.get(), part.c_str(), mode) != 0 && errno != EEXIST)
        return fail_errno(errno, "make directory '{}'", walked);
      next = open_in_root(root, walked, O_PATH | O_DIRECTORY);
    }
    TRY_ASSIGN(here, std::move(next).context("make directory '{}'", path));
  }
  return here;
}

namespace {

// At most `most` names. Whether there were more is told by one name beyond them: ask for one more than wanted.
Result<std::vector<std::string>> read_names(FdRef dir, std::size_t most) {
  TRY_ASSIGN(UniqueFd fd, open_at(dir, ".", O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
  if (!stream) return fail_errno(errno, "read directory");
  (void)fd.release();  // closedir closes it
  std::vector<std::string> names;
  while (names.size() < most) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) return fail_errno(errno, "read directory");
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

}  // namespace

Result<std::vector<std::string>> list_directory(FdRef dir, std::size_t limit) {
  TRY_ASSIGN(std::vector<std::string> names, read_names(dir, limit + 1));
  if (names.size() > limit) return fail(Code::resource_exhausted, "read directory: more than the allowed {} names", limit);
  return names;
}

namespace {

// A descriptor each level: what lies deeper than this is moved up to the tree's top first, so that nobody who fills a
// directory decides how many descriptors its removal takes, or that it cannot be removed.
constexpr int kDeep = 128;
constexpr std::size_t kBatch = 4096;  // names held at a time

Result<void> remove_tree_on(FdRef dir, const std::string& name, FdRef top, dev_t device, int depth) {
  if (::unlinkat(dir.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return fail_errno(errno, "remove '{}'", name);
  if (depth == kDeep) {
    if (::renameat(dir.get(), name.c_str(), top.get(), make_id().c_str()) == 0) return {};
    return fail_errno(errno, "move '{}' up", name);
  }
  TRY_ASSIGN(const UniqueFd self, open_at(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  struct stat st {};
  if (::fstat(self.get(), &st) != 0) return fail_errno(errno, "stat '{}'", name);
  if (device != 0 && st.st_dev != device) return fail(Code::failed_precondition, "remove '{}': a file system is mounted there", name);
  for (;;) {
    TRY_ASSIGN(const std::vector<std::string> names, read_names(self, kBatch));
    if (names.empty()) break;
    for (const std::string& child : names) TRY(remove_tree_on(self, child, depth == 0 ? FdRef(self) : top, st.st_dev, depth + 1));
  }
  if (::unlinkat(dir.get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) return fail_errno(errno, "remove directory '{}'", name);
  return {};
}

}  // namespace

Result<void> remove_tree(FdRef dir, const std::string& name) {
  TRY(fault::point("remove a tree"));
  return remove_tree_on(dir, name, dir, 0, 0);
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

}  // namespace slipway::sys
