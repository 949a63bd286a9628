// A walk through an upper layer.
#include "runtime/criu/changes.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>
#include <set>

#include "sys/file.h"

namespace slipway::runtime::criu {
namespace {

constexpr int kMaxDepth = 512;  // one descriptor each
constexpr std::size_t kMaxEntries = 4'000'000;
constexpr std::size_t kMaxXattrs = 64 << 10;
constexpr std::size_t kMaxXattrBytes = 1 << 20;   // of one file, names and values
constexpr std::size_t kMaxRemembered = 64 << 20;  // of paths in memory: hard links' first names, and what is gone
constexpr std::string_view kOverlay = "trusted.overlay.";

bool is_whiteout(const struct stat& st) {
  return S_ISCHR(st.st_mode) && st.st_rdev == ::makedev(0, 0);
}

// What was looked at, whatever has its name by now.
Result<UniqueFd> reopen(FdRef found, int flags) {
  return sys::open_path(fmt::format("/proc/self/fd/{}", found.get()), flags);
}

class Walk {
 public:
  Walk(const std::vector<std::string>& lower, TarWriter& out) : lower_(lower), out_(out) {}

  Result<void> directory(FdRef dir, const std::string& path, int depth) {
    if (depth > kMaxDepth) return fail(Code::resource_exhausted, "'{}': directories more than {} deep", path, kMaxDepth);
    TRY_ASSIGN(const std::vector<std::string> names, sys::list_directory(dir));
    for (const std::string& name : names) TRY(entry(dir, name, path.empty() ? name : path + "/" + name, depth));
    return {};
  }

  std::vector<std::string> deleted() { return {deleted_.begin(), deleted_.end()}; }

 private:
  Result<void> entry(FdRef dir, const std::string& name, const std::string& path, int depth) {
    if (++entries_ > kMaxEntries) return fail(Code::resource_exhausted, "more than {} changed files", kMaxEntries);
    // Each name costs its whole path in the archive: nobody shall make gigabytes of empty files.
    if (path.size() >= PATH_MAX) return fail(Code::resource_exhausted, "'{}…': a path of {} bytes", path.substr(0, 100), path.size());
    TarMember member;
    member.path = path;
    auto opened = sys::open_at(dir, name, O_PATH | O_NOFOLLOW);
    if (!opened.ok() && opened.error().code == Code::not_found) return {};  // a neighbour took it away
    TRY_ASSIGN(const UniqueFd found, std::move(opened));
    if (::fstat(found.get(), &member.st) != 0) return fail_errno(errno, "stat '{}'", path);
    if (is_whiteout(member.st)) {
      TRY(remember(path));
      deleted_.insert("/" + path);
      return {};
    }
    if (S_ISSOCK(member.st.st_mode)) return {};
    bool opaque = false;
    TRY(read_xattrs(found, member, opaque));
    if (S_ISDIR(member.st.st_mode)) {
      TRY(out_.add(member));
      TRY_ASSIGN(const UniqueFd inner, reopen(found, O_RDONLY | O_DIRECTORY));
      if (opaque) TRY(hide(inner, path));
      return directory(inner, path, depth + 1);
    }
    if (member.st.st_nlink > 1) {
      const auto [first, is_new] = linked_.emplace(member.st.st_ino, path);
      if (!is_new) {
        member.hard_link = true;
        member.link = first->second;
        return out_.add(member);
      }
      TRY(remember(path));
    }
    if (S_ISLNK(member.st.st_mode)) {
      char target[PATH_MAX];
      const ssize_t n = ::readlinkat(found.get(), "", target, sizeof target);
      if (n < 0) return fail_errno(errno, "read the link '{}'", path);
      member.link.assign(target, static_cast<std::size_t>(n));
    }
    if (!S_ISREG(member.st.st_mode)) return out_.add(member);
    TRY_ASSIGN(const UniqueFd data, reopen(found, O_RDONLY));
    return out_.add(member, data);
  }

  // Through /proc: the descriptor is an O_PATH one, which flistxattr(2) refuses. A symbolic link's own are left out.
  static Result<void> read_xattrs(FdRef file, TarMember& member, bool& opaque) {
    if (S_ISLNK(member.st.st_mode)) return {};
    const std::string at = fmt::format("/proc/self/fd/{}", file.get());
    std::string names(kMaxXattrs, '\0');
    const ssize_t n = ::listxattr(at.c_str(), names.data(), names.size());
    if (n < 0 && errno == ENOTSUP) return {};
    if (n < 0) return fail_errno(errno, "list the attributes of '{}'", member.path);
    std::size_t bytes = 0;
    for (std::size_t begin = 0; begin < static_cast<std::size_t>(n);) {
      const std::string name = names.c_str() + begin;
      begin += name.size() + 1;
      std::string value(kMaxXattrs, '\0');
      const ssize_t length = ::getxattr(at.c_str(), name.c_str(), value.data(), value.size());
      if (length < 0) return fail_errno(errno, "read the attribute {} of '{}'", name, member.path);
      value.resize(static_cast<std::size_t>(length));
      bytes += name.size() + value.size();
      if (bytes > kMaxXattrBytes)
        return fail(Code::resource_exhausted, "'{}' has attributes of more than {} bytes", member.path, kMaxXattrBytes);
      if (!name.starts_with(kOverlay)) {
        member.xattrs.emplace(name, std::move(value));
      } else if (name == "trusted.overlay.opaque") {
        opaque = value == "y";
      } else if (name == "trusted.overlay.redirect" || name == "trusted.overlay.metacopy") {
        return fail(Code::unimplemented, "'{}' has {}: the overlay keeps its content elsewhere", member.path, name);
      }
    }
    return {};
  }

  // Everything of the layers below is gone from this directory but for what the upper one has again.
  Result<void> hide(FdRef upper, const std::string& path) {
    TRY_ASSIGN(const std::vector<std::string> here, sys::list_directory(upper));
    const std::set<std::string> kept(here.begin(), here.end());
    for (const std::string& layer : lower_) {
      TRY_ASSIGN(const UniqueFd root, sys::open_path(layer, O_PATH | O_DIRECTORY));
      const auto below = sys::open_in_root(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (!below.ok()) continue;  // not in this layer, or no directory there
      TRY_ASSIGN(const std::vector<std::string> names, sys::list_directory(below.value()));
      for (const std::string& name : names) {
        if (kept.contains(name)) continue;
        TRY(remember(path + "/" + name));
        deleted_.insert("/" + path + "/" + name);
      }
    }
    return {};
  }

  // Links cost a container nothing: their names, of thousands of bytes each, shall not cost the host its memory.
  Result<void> remember(const std::string& path) {
    remembered_ += path.size();
    if (remembered_ <= kMaxRemembered) return {};
    return fail(Code::resource_exhausted, "'{}…': hard links and deleted files have paths of more than {} bytes", path.substr(0, 100),
                kMaxRemembered);
  }

  const std::vector<std::string>& lower_;
  TarWriter& out_;
  std::set<std::string> deleted_;
  std::map<ino_t, std::string> linked_;  // the first name of a file with several
  std::size_t entries_ = 0;
  std::size_t remembered_ = 0;
};

}  // namespace

Result<std::vector<std::string>> write_changes(const std::string& upper, const std::vector<std::string>& lower, TarWriter& out) {
  TRY_ASSIGN(const UniqueFd root, sys::open_path(upper, O_RDONLY | O_DIRECTORY));
  Walk walk(lower, out);
  TRY(walk.directory(root, "", 0));
  TRY(out.finish());
  return walk.deleted();
}

}  // namespace slipway::runtime::criu
