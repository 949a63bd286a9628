// Writable directories of containers.
#include "image/roots.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <memory>
#include <set>

#include "base/fault.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "image/layout.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

constexpr std::size_t kMaxEntries = 2'000'000;
constexpr int kMaxDepth = 512;  // one descriptor each

struct CloseDirectory {
  void operator()(DIR* dir) const { (void)::closedir(dir); }
};

// What du would say of a tree that its container changes meanwhile.
struct Measure {
  std::uint64_t bytes = 0, inodes = 0;
  std::size_t names = 0;
  std::set<ino_t> linked;  // files with several names count once

  Result<void> add(const struct stat& st) {
    if (++names > kMaxEntries) return fail(Code::resource_exhausted, "more than {} files", kMaxEntries);
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && !linked.insert(st.st_ino).second) return {};
    ++inodes;
    bytes += static_cast<std::uint64_t>(st.st_blocks) * 512;
    return {};
  }

  Result<void> walk(UniqueFd dir, int depth) {
    if (depth > kMaxDepth) return fail(Code::resource_exhausted, "directories more than {} deep", kMaxDepth);
    const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(dir.get()));
    if (!stream) return fail_errno(errno, "read a directory");
    (void)dir.release();
    const int fd = ::dirfd(stream.get());
    while (const dirent* entry = ::readdir(stream.get())) {
      const std::string name = entry->d_name;
      struct stat st {};
      if (name == "." || name == ".." || ::fstatat(fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
      TRY(add(st));
      if (!S_ISDIR(st.st_mode)) continue;
      auto child = sys::open_at(FdRef(fd), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (child.ok())
        TRY(walk(std::move(child).take(), depth + 1));
      else if (child.error().sys_errno == EMFILE)
        return std::move(child).error();
    }
    return {};
  }
};

Result<void> make_directory(FdRef parent, const std::string& path, mode_t mode) {
  if (::mkdirat(parent.get(), path.c_str(), mode) != 0 && errno != EEXIST) return fail_errno(errno, "make '{}'", path);
  return {};
}

// Not by a rename: without its work directory a root is none, and who finds it removes it.
Result<void> write_layers(FdRef parent, const std::string& path, const std::vector<std::string>& chains) {
  TRY(fault::point("write a root's layers"));
  TRY_ASSIGN(const UniqueFd file, sys::open_at(parent, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
  TRY(sys::write_all(file, join(chains, "\n") + "\n").context("'{}'", path));
  fault::moment("a root's layers are written");
  return {};
}

// The owner first: to change it takes set-id bits away.
Result<void> give(FdRef parent, const std::string& path, const Owner& as) {
  const bool roots_own = as.uid == 0 && as.gid == 0;  // as everything that slipwayd makes
  if (!roots_own && ::fchownat(parent.get(), path.c_str(), as.uid, as.gid, AT_SYMLINK_NOFOLLOW) != 0)
    return fail_errno(errno, "set the root's owner");
  if (::fchmodat(parent.get(), path.c_str(), as.mode, 0) != 0) return fail_errno(errno, "set the root's mode");
  return {};
}

}  // namespace

Result<Roots> Roots::open(UniqueFd containers, std::string path) {
  Roots roots(std::move(containers), std::move(path));
  TRY_ASSIGN(const std::vector<std::string> names, sys::list_directory(roots.dir_));
  for (const std::string& name : names) {
    if (name.find(kTemporary) != std::string::npos) {
      if (const auto r = roots.sweep(name); !r.ok()) log::warn("image store: {}", r.error().message);
    } else {
      TRY(roots.read(name).context("container root '{}'", name));
    }
  }
  return roots;
}

Result<void> Roots::read(const std::string& id) {
  Layers& layers = used_[id];  // also where the list is lost: the directory is there to be removed
  auto text = sys::read_file_at(dir_, id + "/" + kLayersFile, 1 << 20);
  if (!text.ok()) return text.error().code == Code::not_found ? Result<void>() : Result<void>(std::move(text).error());
  bool held = false;
  for (std::string_view rest = text.value(); !rest.empty();) {
    const std::string_view line = cut(rest, '\n');
    held |= line.empty();
    if (!is_chain(line)) continue;
    layers.chains.emplace_back(line);
    if (!held) ++layers.own;
  }
  return {};
}

std::string Roots::upper(const std::string& id) const {
  return path_ + "/" + id + "/" + kUpper;
}
std::string Roots::work(const std::string& id) const {
  return path_ + "/" + id + "/" + kWork;
}

Result<void> Roots::prepare(const std::string& id, const std::vector<std::string>& chains, const Owner* top) {
  const auto known = used_.find(id);
  if (known != used_.end() && known->second.chains == chains && sys::exists(work(id))) return {};
  used_[id] = {chains, chains.size()};
  TRY(make_directory(dir_, id, 0700));
  fault::moment("a writable layer's directory is made");
  TRY(write_layers(dir_, id + "/" + kLayersFile, chains));
  const std::string upper = id + "/" + kUpper;
  TRY(make_directory(dir_, upper, 0755));
  if (top != nullptr) TRY(give(dir_, upper, *top));
  return make_directory(dir_, id + "/" + kWork, 0700);  // last: its presence says that the others are there
}

Result<void> Roots::hold(const std::string& id, const std::vector<std::string>& chains) {
  const auto at = used_.find(id);
  if (at == used_.end()) return fail(Code::failed_precondition, "container '{}' has no root", id);
  std::vector<std::string>& all = at->second.chains;
  all.insert(all.end(), chains.begin(), chains.end());
  TRY_ASSIGN(const UniqueFd dir, sys::open_at(dir_, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  std::string text;
  for (std::size_t i = 0; i < all.size(); ++i) text += fmt::format("{}{}\n", i == at->second.own ? "\n" : "", all[i]);
  return sys::replace_file(dir, kLayersFile, text, 0600);
}

Result<std::vector<std::string>> Roots::own(const std::string& id) const {
  const auto at = used_.find(id);
  if (at == used_.end()) return fail(Code::not_found, "container '{}' has no root", id);
  const std::vector<std::string>& all = at->second.chains;
  return std::vector<std::string>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(at->second.own));
}

Result<std::string> Roots::detach(const std::string& id) {
  TRY(fault::point("take a writable layer away"));
  const std::string leftover = id + std::string(kTemporary) + make_id().substr(0, 16);
  const bool there = ::renameat(dir_.get(), id.c_str(), dir_.get(), leftover.c_str()) == 0;
  if (!there && errno != ENOENT) return fail_errno(errno, "take away the root of '{}'", id);
  used_.erase(id);
  return there ? leftover : std::string();
}

Result<void> Roots::sweep(const std::string& leftover) const {
  if (leftover.empty()) return {};
  return sys::remove_tree(dir_, leftover);
}

Result<engine::FsUsage> Roots::usage(const std::string& id) const {
  TRY_ASSIGN(UniqueFd dir, sys::open_beneath(dir_, id + "/" + kUpper, O_RDONLY | O_DIRECTORY));
  engine::FsUsage out;
  out.timestamp = now_realtime();
  out.mountpoint = path_;
  Measure measure;
  struct stat st {};
  if (::fstat(dir.get(), &st) != 0) return fail_errno(errno, "stat");
  struct statvfs fs {};
  if (::fstatvfs(dir.get(), &fs) != 0) return fail_errno(errno, "statvfs");
  out.limit_bytes = fs.f_blocks * fs.f_frsize;
  out.inodes_total = fs.f_files;
  out.inodes_free = fs.f_ffree;
  TRY(measure.add(st));
  TRY(measure.walk(std::move(dir), 0).context("writable layer of '{}'", id));
  out.used_bytes = measure.bytes;
  out.inodes_used = measure.inodes;
  return out;
}

}  // namespace slipway::image
