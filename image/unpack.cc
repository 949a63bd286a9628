// Tar entries into a directory.
#include "image/unpack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "base/weaken.h"
#include "image/layer_files.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

constexpr std::size_t kMaxParts = 512;
constexpr std::size_t kMaxPathBytes = 64 << 20;  // of all directories whose times wait
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kMeta = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::uint64_t kSpaceStep = 64 << 20;

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string base_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::uint64_t round_up(std::uint64_t bytes) {
  return (bytes + 4095) / 4096 * 4096;
}

bool attribute_is_kept(std::string_view name) {
  return name == "security.capability" || (name.starts_with("user.") && !name.starts_with("user.overlay."));
}

Result<void> set_attributes(const TarEntry& entry, FdRef fd) {
  for (const auto& [name, value] : entry.xattrs) {
    if (!attribute_is_kept(name)) continue;
    if (::fsetxattr(fd.get(), name.c_str(), value.data(), value.size(), 0) != 0 && errno != ENOTSUP)
      return fail_errno(errno, "attribute '{}'", name.substr(0, 255));
  }
  return {};
}

timespec time_of(const TarEntry& entry) {
  return {.tv_sec = entry.mtime, .tv_nsec = static_cast<long>(entry.mtime_nanos)};
}

Result<void> set_times(FdRef fd, const char* name, timespec mtime, int flags) {
  const timespec times[2] = {mtime, mtime};
  const int r = name == nullptr ? ::futimens(fd.get(), times) : ::utimensat(fd.get(), name, times, flags);
  if (r != 0) return fail_errno(errno, "set the time");
  return {};
}

// Enough must stay for the node to live: a bomb shall not fill the disk.
Result<void> check_space(FdRef dir) {
  struct statvfs fs {};
  if (::fstatvfs(dir.get(), &fs) != 0) return fail_errno(errno, "statvfs");
  const std::uint64_t left = static_cast<std::uint64_t>(fs.f_bavail) * fs.f_frsize;
  const std::uint64_t floor = std::min<std::uint64_t>(256 << 20, static_cast<std::uint64_t>(fs.f_blocks) * fs.f_frsize / 20);
  if (left < floor) return fail(Code::resource_exhausted, "only {} MiB are left on the image store's disk", left >> 20);
  return {};
}

}  // namespace

Result<void> Budget::take(std::uint64_t bytes) {
  if (taken_.fetch_add(bytes) + bytes > bytes_) return fail(Code::resource_exhausted, "the image unpacks to more than {} bytes", bytes_);
  return {};
}

Result<std::string> clean_path(std::string_view path) {
  std::string out;
  std::size_t parts = 0;
  while (!path.empty()) {
    const std::string_view part = cut(path, '/');
    if (part.empty() || part == ".") continue;
    if (part == ".." && !weakened(Defence::climbing)) return fail(Code::invalid_argument, "a path that climbs with '..'");
    if (++parts > kMaxParts) return fail(Code::resource_exhausted, "a path of more than {} parts", kMaxParts);
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

std::string follow_in_root(const std::string& directory, const std::string& target) {
  std::vector<std::string> parts;
  const std::string whole = target.starts_with('/') ? target : directory + "/" + target;
  for (std::size_t at = 0; at < whole.size();) {
    const auto slash = std::min(whole.find('/', at), whole.size());
    const std::string part = whole.substr(at, slash - at);
    at = slash + 1;
    if (part == ".." && !parts.empty())
      parts.pop_back();
    else if (!part.empty() && part != "." && part != "..")
      parts.push_back(part);
  }
  return join(parts, "/");
}

Result<void> mark_opaque(FdRef dir) {
  if (::fsetxattr(dir.get(), "trusted.overlay.opaque", "y", 1, 0) != 0) return fail_errno(errno, "mark the directory opaque");
  return {};
}

Result<void> Unpacker::apply(TarReader& tar, const TarEntry& entry) {
  TRY_ASSIGN(const std::string path, clean_path(entry.path).context("entry '{}'", entry.path));
  const std::string directory = directory_of(path), name = base_of(path);
  if (name == kOpaque) return whiteout(directory, name).context("entry '{}'", path);
  // Bookkeeping of AUFS, which old images hold.
  if (path.starts_with(kMeta) || path.find("/.wh..wh.") != std::string::npos) return {};
  if (directory.starts_with(kWhiteout) || directory.find("/.wh.") != std::string::npos)
    return fail(Code::invalid_argument, "entry '{}': something inside a whiteout", path);
  if (name.starts_with(kWhiteout)) return whiteout(directory, name).context("entry '{}'", path);
  return make(tar, entry, path).context("entry '{}'", path);
}

Result<void> Unpacker::charge(std::uint64_t bytes) {
  if (bytes == 0) return {};
  info_.bytes += bytes;
  TRY(budget_.take(bytes));
  since_space_check_ += bytes;
  if (since_space_check_ < kSpaceStep) return {};
  since_space_check_ = 0;
  return check_space(root_);
}

Result<void> Unpacker::make(TarReader& tar, const TarEntry& entry, const std::string& path) {
  if (++info_.inodes > max_entries_) return fail(Code::resource_exhausted, "the layer has more than {} entries", max_entries_);
  // What is written beside contents takes room too: empty files with large attributes are a bomb like any other.
  std::uint64_t beside = entry.type == TarType::symlink ? entry.link.size() : 0;
  for (const auto& [key, value] : entry.xattrs) beside += key.size() + value.size();
  if (beside > 0) TRY(charge(beside));
  if (path.empty()) {
    if (entry.type != TarType::directory) return fail(Code::invalid_argument, "the root is no directory");
    return describe_directory(entry, root_, path);
  }
  TRY_ASSIGN(const FdRef parent, parent_of(directory_of(path)));
  const std::string name = base_of(path);
  switch (entry.type) {
    case TarType::file: return make_file(tar, entry, parent, name);
    case TarType::directory: return make_directory(entry, parent, name, path);
    case TarType::hard_link: return make_link(entry, parent, name, path);
    case TarType::symlink: {
      if (::symlinkat(entry.link.c_str(), parent.get(), name.c_str()) != 0) {
        if (errno != EEXIST) return fail_errno(errno, "make the link");
        TRY(clear_way(parent, name));
        if (::symlinkat(entry.link.c_str(), parent.get(), name.c_str()) != 0) return fail_errno(errno, "make the link");
      }
      if (::fchownat(parent.get(), name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "set the owner");
      return set_times(parent, name.c_str(), time_of(entry), AT_SYMLINK_NOFOLLOW);
    }
    case TarType::char_device:
    case TarType::block_device:
    case TarType::fifo: return make_node(entry, parent, name);
  }
  return fail(Code::internal, "an entry of no type");
}

Result<void> Unpacker::make_file(TarReader& tar, const TarEntry& entry, FdRef parent, const std::string& name) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd file(::openat(parent.get(), name.c_str(), kFlags, 0600));
  if (!file && errno == EEXIST) {
    TRY(clear_way(parent, name));
    file.reset(::openat(parent.get(), name.c_str(), kFlags, 0600));
  }
  if (!file) return fail_errno(errno, "make the file");
  TRY(write_data(tar, entry, file));
  if (::fchown(file.get(), entry.uid, entry.gid) != 0) return fail_errno(errno, "set the owner");
  if (::fchmod(file.get(), entry.mode) != 0) return fail_errno(errno, "set the mode");  // after the owner: chown(2) clears set-id bits
  TRY(set_attributes(entry, file));                                                     // and capabilities
  return set_times(file, nullptr, time_of(entry), 0);
}

Result<void> Unpacker::write_data(TarReader& tar, const TarEntry& entry, FdRef file) {
  std::size_t segment = 0;
  std::uint64_t in_segment = 0;
  for (;;) {
    TRY_ASSIGN(std::string_view piece, tar.data());
    if (piece.empty()) break;
    TRY(charge(piece.size()));
    if (!entry.sparse) {
      TRY(sys::write_all(file, piece));
      continue;
    }
    while (!piece.empty()) {  // the map was checked: its pieces are as long as the data
      const TarSegment& at = entry.segments[segment];
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), at.size - in_segment));
      const ssize_t written =
          sys::retry_eintr([&] { return ::pwrite(file.get(), piece.data(), n, static_cast<off_t>(at.offset + in_segment)); });
      if (written < 0) return fail_errno(errno, "write");
      piece.remove_prefix(static_cast<std::size_t>(written));
      in_segment += static_cast<std::uint64_t>(written);
      if (in_segment == at.size) ++segment, in_segment = 0;
    }
  }
  if (entry.sparse && ::ftruncate(file.get(), static_cast<off_t>(entry.size)) != 0) return fail_errno(errno, "set the length");
  if (!entry.sparse) return charge(round_up(entry.size) - entry.size);
  return {};
}

Result<void> Unpacker::make_directory(const TarEntry& entry, FdRef parent, const std::string& name, const std::string& path) {
  bool over_whiteout = false;
  if (::mkdirat(parent.get(), name.c_str(), 0700) != 0) {
    if (errno != EEXIST) return fail_errno(errno, "make the directory");
    struct stat st {};
    if (::fstatat(parent.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "stat");
    if (!S_ISDIR(st.st_mode)) {
      over_whiteout = is_whiteout(st.st_mode, st.st_rdev);
      TRY(clear_way(parent, name));
      if (::mkdirat(parent.get(), name.c_str(), 0700) != 0) return fail_errno(errno, "make the directory");
    }
  }
  TRY_ASSIGN(const UniqueFd dir, sys::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (over_whiteout) TRY(mark_opaque(dir));
  return describe_directory(entry, dir, path);
}

Result<void> Unpacker::describe_directory(const TarEntry& entry, FdRef dir, const std::string& path) {
  if (::fchown(dir.get(), entry.uid, entry.gid) != 0) return fail_errno(errno, "set the owner");
  if (::fchmod(dir.get(), entry.mode) != 0) return fail_errno(errno, "set the mode");
  TRY(set_attributes(entry, dir));
  implied_.erase(path);
  times_bytes_ += path.size() + sizeof(DirectoryTime);
  if (times_bytes_ > kMaxPathBytes) return fail(Code::resource_exhausted, "the layer's directories have too many or too long names");
  times_.push_back({path, entry.mtime, entry.mtime_nanos});
  return charge(4096);
}

Result<void> Unpacker::make_link(const TarEntry& entry, FdRef parent, const std::string& name, const std::string& path) {
  TRY_ASSIGN(const std::string target, clean_path(entry.link).context("link to '{}'", entry.link));
  if (target == path) return {};
  if (target.empty()) return fail(Code::invalid_argument, "a hard link to the root");
  // In the layer itself: a hard link cannot reach a lower one. Mostly it is of the same directory, and no more than one call.
  const std::string directory = directory_of(target), from_name = base_of(target);
  UniqueFd opened;
  if (directory != directory_of(path)) {
    TRY_ASSIGN(opened,
               sys::open_in_root(root_, directory.empty() ? "." : directory, O_RDONLY | O_DIRECTORY).context("hard link to '{}'", target));
  }
  const FdRef from = opened ? FdRef(opened) : parent;
  if (::linkat(from.get(), from_name.c_str(), parent.get(), name.c_str(), 0) == 0) return {};
  const int error = errno;
  struct stat st {};
  if (::fstatat(from.get(), from_name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "hard link to '{}'", target);
  if (S_ISDIR(st.st_mode)) return fail(Code::invalid_argument, "a hard link to the directory '{}'", target);
  if (error != EEXIST) return fail_errno(error, "hard link to '{}'", target);
  struct stat there {};
  if (::fstatat(parent.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_dev == st.st_dev && there.st_ino == st.st_ino)
    return {};
  TRY(clear_way(parent, name));
  if (::linkat(from.get(), from_name.c_str(), parent.get(), name.c_str(), 0) != 0) return fail_errno(errno, "hard link to '{}'", target);
  return {};
}

Result<void> Unpacker::make_node(const TarEntry& entry, FdRef parent, const std::string& name) {
  const mode_t type = entry.type == TarType::fifo ? S_IFIFO : entry.type == TarType::char_device ? S_IFCHR : S_IFBLK;
  const dev_t device = entry.type == TarType::fifo ? 0 : ::makedev(entry.major, entry.minor);
  if (::mknodat(parent.get(), name.c_str(), type | 0600, device) != 0) {
    if (errno != EEXIST) return fail_errno(errno, "make the node");
    TRY(clear_way(parent, name));
    if (::mknodat(parent.get(), name.c_str(), type | 0600, device) != 0) return fail_errno(errno, "make the node");
  }
  if (::fchownat(parent.get(), name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "set the owner");
  // It was made a line above in a directory only we write: no link can stand in its place.
  if (::fchmodat(parent.get(), name.c_str(), entry.mode, 0) != 0) return fail_errno(errno, "set the mode");
  return set_times(parent, name.c_str(), time_of(entry), AT_SYMLINK_NOFOLLOW);
}

Result<void> Unpacker::whiteout(const std::string& directory, const std::string& name) {
  if (++info_.inodes > max_entries_) return fail(Code::resource_exhausted, "the layer has more than {} entries", max_entries_);
  TRY_ASSIGN(const FdRef parent, parent_of(directory));
  if (name == kOpaque) {
    if (directory.empty()) root_opaque_ = true;
    return mark_opaque(parent);
  }
  const std::string hidden = name.substr(kWhiteout.size());
  if (hidden.empty() || hidden == "." || hidden == "..") return fail(Code::invalid_argument, "a whiteout of nothing");
  if (::mknodat(parent.get(), hidden.c_str(), S_IFCHR | 0, ::makedev(0, 0)) == 0) return {};
  if (errno != EEXIST) return fail_errno(errno, "make the whiteout");
  // The layer has the name itself: what it hides is the lower layers' only. A file does so anyway, a directory must say it.
  struct stat st {};
  if (::fstatat(parent.get(), hidden.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, "stat");
  if (!S_ISDIR(st.st_mode)) return {};
  TRY_ASSIGN(const UniqueFd dir, sys::open_at(parent, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return mark_opaque(dir);
}

Result<void> Unpacker::clear_way(FdRef parent, const std::string& name) {
  cache_valid_ = false;  // the path of the cached directory may lead elsewhere now
  // `parent` may be the cached descriptor: it stays open, only its name is forgotten.
  return sys::remove_tree(parent, name);
}

Result<FdRef> Unpacker::parent_of(const std::string& directory) {
  if (directory.empty()) return root_;
  if (cache_valid_ && directory == cached_path_) return FdRef(cached_);
  TRY_ASSIGN(cached_, open_directory(directory, 40));
  cached_path_ = directory;
  cache_valid_ = true;
  return FdRef(cached_);
}

Result<UniqueFd> Unpacker::open_directory(const std::string& path, int budget) {
  if (budget == 0) return fail(Code::invalid_argument, "too many symbolic links on the way to '{}'", path);
  if (weakened(Defence::layer_root)) return sys::open_at(root_, path.empty() ? "." : path, O_RDONLY | O_DIRECTORY);
  auto there = sys::open_in_root(root_, path.empty() ? "." : path, O_RDONLY | O_DIRECTORY);
  if (there.ok() || path.empty()) return there;
  const Error& error = there.error();
  if (error.sys_errno != ENOENT && error.sys_errno != ENOTDIR) return there;
  TRY_ASSIGN(const UniqueFd parent, open_directory(directory_of(path), budget));
  const std::string name = base_of(path);
  struct stat st {};
  if (::fstatat(parent.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
    // A link whose target only a lower layer has: what follows is meant for that target.
    std::string target(4096, '\0');
    const ssize_t n = ::readlinkat(parent.get(), name.c_str(), target.data(), target.size());
    if (n < 0) return fail_errno(errno, "read the link '{}'", path);
    target.resize(static_cast<std::size_t>(n));
    return open_directory(follow_in_root(directory_of(path), target), budget - 1);
  }
  TRY(make_implied(parent, name, path));
  return sys::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Result<void> Unpacker::make_implied(FdRef parent, const std::string& name, const std::string& path) {
  struct stat st {};
  const bool over_whiteout = ::fstatat(parent.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && is_whiteout(st.st_mode, st.st_rdev);
  if (over_whiteout) TRY(clear_way(parent, name));
  if (::mkdirat(parent.get(), name.c_str(), 0755) != 0) {
    if (errno == EEXIST) return fail(Code::invalid_argument, "'{}' is no directory", path);
    return fail_errno(errno, "make the directory '{}'", path);
  }
  if (::fchmodat(parent.get(), name.c_str(), 0755, 0) != 0) return fail_errno(errno, "set the mode of '{}'", path);  // the umask
  if (++info_.inodes > max_entries_) return fail(Code::resource_exhausted, "the layer has more than {} entries", max_entries_);
  times_bytes_ += path.size() + sizeof(DirectoryTime);
  if (times_bytes_ > kMaxPathBytes) return fail(Code::resource_exhausted, "the layer's directories have too many or too long names");
  implied_.insert(path);
  TRY(charge(4096));
  if (!over_whiteout) return {};
  TRY_ASSIGN(const UniqueFd dir, sys::open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return mark_opaque(dir);
}

Result<void> Unpacker::finish() {
  for (auto time = times_.rbegin(); time != times_.rend(); ++time) {
    auto dir = time->path.empty() ? sys::open_at(root_, ".", O_RDONLY | O_DIRECTORY)
                                  : sys::open_in_root(root_, time->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir.ok()) continue;  // a later entry took its place
    TRY(set_times(dir.value(), nullptr, {.tv_sec = time->seconds, .tv_nsec = static_cast<long>(time->nanos)}, 0)
            .context("directory '{}'", time->path));
  }
  return {};
}

}  // namespace slipway::image
