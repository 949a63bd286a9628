// Path resolution over a stack of layers.
#include "image/layer_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <deque>

#include "base/text.h"
#include "base/weaken.h"
#include "image/layout.h"
#include "sys/descriptor.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel's own
constexpr std::size_t kMaxDescriptors = 512;
constexpr std::size_t kMaxSteps = 1000;

void push_front(std::deque<std::string>& todo, std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::string_view part = cut(path, '/');
    if (!part.empty() && part != ".") parts.emplace_back(part);
  }
  todo.insert(todo.begin(), parts.begin(), parts.end());
}

bool is_opaque(FdRef dir) {
  char value = 0;
  return ::fgetxattr(dir.get(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

Result<std::string> read_link(FdRef link) {
  std::string target(4096, '\0');
  const ssize_t n = ::readlinkat(link.get(), "", target.data(), target.size());
  if (n < 0) return fail_errno(errno, "read a link");
  target.resize(static_cast<std::size_t>(n));
  return target;
}

Result<struct stat> stat_regular(FdRef file, const std::string& path) {
  struct stat st {};
  if (::fstat(file.get(), &st) != 0) return fail_errno(errno, "stat {}", path);
  if (!S_ISREG(st.st_mode)) return fail(Code::failed_precondition, "{} is not a regular file", path);
  return st;
}

Result<std::string> read_regular(FdRef file, const std::string& path, std::size_t limit) {
  TRY_ASSIGN(const struct stat st, stat_regular(file, path));
  if (static_cast<std::uint64_t>(st.st_size) > limit && !weakened(Defence::bounded_reads))
    return fail(Code::resource_exhausted, "{} has {} bytes, more than {}", path, st.st_size, limit);
  TRY_ASSIGN(const UniqueFd readable, sys::reopen_regular(file, path));
  return sys::read_fd(readable, limit);
}

}  // namespace

bool is_whiteout(mode_t mode, dev_t device) {
  return S_ISCHR(mode) && device == ::makedev(0, 0);
}

Result<LayerStack> LayerStack::open(FdRef layers, const std::vector<std::string>& chains) {
  std::vector<UniqueFd> roots;
  for (auto chain = chains.rbegin(); chain != chains.rend(); ++chain) {
    if (!is_chain(*chain)) return fail(Code::invalid_argument, "'{}' is no layer's chain id", *chain);
    auto dir = sys::open_beneath(layers, *chain + "/" + kLayerFs, O_RDONLY | O_DIRECTORY);
    // Not "not found": that is said of a file which the image has not.
    if (!dir.ok() && dir.error().code == Code::not_found) return fail(Code::failed_precondition, "layer {} is not there", *chain);
    TRY_ASSIGN(UniqueFd root, std::move(dir));
    roots.push_back(std::move(root));
  }
  return LayerStack(std::move(roots));
}

Result<LayerStack::Level> LayerStack::top() const {
  Level level;
  for (const UniqueFd& root : roots_) {
    TRY_ASSIGN(UniqueFd copy, sys::copy_fd(root));
    const bool opaque = is_opaque(copy);
    level.push_back(std::move(copy));
    if (opaque) break;
  }
  return level;
}

Result<LayerStack::Found> LayerStack::look_up(const Level& in, const std::string& name) {
  Found found;
  for (const UniqueFd& dir : in) {
    auto entry = sys::open_at(dir, name, O_PATH | O_NOFOLLOW);
    if (!entry.ok()) {
      if (entry.error().code == Code::not_found) continue;
      return std::move(entry).error();
    }
    struct stat st {};
    if (::fstat(entry.value().get(), &st) != 0) return fail_errno(errno, "stat '{}'", name);
    if (is_whiteout(st.st_mode, st.st_rdev)) break;
    if (!S_ISDIR(st.st_mode)) {
      // Beneath a directory of a higher layer it is hidden.
      if (found.dirs.empty()) found.file = std::move(entry).take();
      break;
    }
    TRY_ASSIGN(UniqueFd readable, sys::open_at(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    const bool opaque = is_opaque(readable);
    found.dirs.push_back(std::move(readable));
    if (opaque) break;
  }
  if (found.dirs.empty() && !found.file) return fail(Code::not_found, "'{}' is not in the image", name);
  return found;
}

Result<LayerStack::Found> LayerStack::walk(const std::string& path) const {
  std::deque<std::string> todo;
  push_front(todo, path);
  std::vector<Level> walked;  // the directories from the root down to here
  TRY_ASSIGN(Level root, top());
  walked.push_back(std::move(root));
  int links = 0;
  std::size_t descriptors = 0;
  for (std::size_t steps = 0; !todo.empty(); ++steps) {
    if (steps > kMaxSteps) return fail(Code::resource_exhausted, "{}: more than {} steps to it", path, kMaxSteps);
    const std::string name = std::move(todo.front());
    todo.pop_front();
    if (name == "..") {
      if (walked.size() > 1) walked.pop_back();  // the root's parent is the root
      continue;
    }
    TRY_ASSIGN(Found found, look_up(walked.back(), name).context("{}", path));
    if (!found.dirs.empty()) {
      // Depth times layers is the image's choice, and the descriptors are the daemon's.
      descriptors += found.dirs.size();
      if (descriptors > kMaxDescriptors) return fail(Code::resource_exhausted, "{}: too many directories on the way", path);
      walked.push_back(std::move(found.dirs));
      continue;
    }
    struct stat st {};
    if (::fstat(found.file.get(), &st) != 0) return fail_errno(errno, "stat {}", path);
    if (S_ISLNK(st.st_mode)) {
      if (++links > kMaxLinks) return fail(Code::resource_exhausted, "{}: more than {} symbolic links", path, kMaxLinks);
      TRY_ASSIGN(const std::string target, read_link(found.file));
      if (target.starts_with('/')) walked.resize(1);
      push_front(todo, target);
      continue;
    }
    if (!todo.empty()) return fail(Code::not_found, "{}: '{}' is no directory", path, name);
    return found;
  }
  return Found{std::move(walked.back()), UniqueFd()};
}

Result<std::string> LayerStack::read_file(const std::string& path, std::size_t limit) const {
  TRY_ASSIGN(const Found found, walk(path));
  if (!found.file) return fail(Code::failed_precondition, "{} is a directory", path);
  return read_regular(found.file, path, limit);
}

Result<void> LayerStack::check_path(const std::string& path) const {
  TRY_ASSIGN(const Found found, walk(path));
  if (found.file) TRY(stat_regular(found.file, path));
  return {};
}

Result<UniqueFd> LayerStack::directory(const std::string& path) const {
  std::deque<std::string> todo;
  push_front(todo, path);
  TRY_ASSIGN(Level level, top());
  for (const std::string& name : todo) {
    if (name == "..") return fail(Code::invalid_argument, "{}: '..' in a path of a layer", path);
    TRY_ASSIGN(Found found, look_up(level, name));
    if (found.dirs.empty()) return fail(Code::not_found, "{}: '{}' is no directory", path, name);
    level = std::move(found.dirs);
  }
  if (level.empty()) return fail(Code::not_found, "{}: no layer", path);
  return std::move(level.front());
}

Result<std::vector<std::string>> LayerStack::root_names() const {
  std::vector<std::string> out;
  for (const UniqueFd& root : roots_) {
    TRY_ASSIGN(const UniqueFd readable, sys::open_at(root, ".", O_RDONLY | O_DIRECTORY));
    TRY_ASSIGN(std::vector<std::string> names, sys::list_directory(readable));
    out.insert(out.end(), names.begin(), names.end());
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace slipway::image
