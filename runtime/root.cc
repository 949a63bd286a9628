// Bind or overlay as the container's root.
#include "runtime/root.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "runtime/mount_options.h"
#include "sys/file.h"

namespace slipway::runtime {
namespace {

constexpr std::size_t kOptionLimit = 255;  // fsconfig(2) cuts strings there: EINVAL

// Overlay directories as descriptors: their names, seen from /proc/self/fd, are one to three digits.
class OverlayDirectories {
 public:
  Result<std::string> add(const std::string& path) {
    auto fd = sys::open_path(path, O_PATH | O_DIRECTORY);
    if (!fd.ok()) return std::move(fd).error().within("overlay");
    fds_.push_back(std::move(fd).take());
    return fmt::format("{}", fds_.back().get());
  }

 private:
  std::vector<UniqueFd> fds_;
};

// Relative paths in options start at the working directory.
class WorkingDirectory {
 public:
  Result<void> enter(FdRef directory) {
    TRY_ASSIGN(previous_, sys::open_path(".", O_PATH | O_DIRECTORY));
    if (::fchdir(directory.get()) != 0) return fail_errno(errno, "change the working directory");
    return {};
  }
  ~WorkingDirectory() {
    if (previous_) (void)!::fchdir(previous_.get());
  }

 private:
  UniqueFd previous_;
};

// Names of one byte that means nothing in a path or to the overlay's parser: letters, digits, then what is no ASCII.
std::string link_name(std::size_t index) {
  constexpr std::string_view kPlain = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  return {index < kPlain.size() ? kPlain[index] : static_cast<char>(0x80 + index - kPlain.size())};
}

std::string join(const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ":") + name;
  return joined;
}

// Where `lower`'s relative names lead somewhere, and the options with them.
struct LowerLayers {
  UniqueFd directory;
  std::vector<sys::FilesystemOption> options;
};

// /proc/self/fd holds some 85 layers in one option. Links of one byte in a file system of our own, which nobody else sees, hold
// 128, the most that image builders make. Beyond that one option a layer, which kernels from 6.8 on know.
Result<LowerLayers> plan_lower(const std::vector<std::string>& lower, OverlayDirectories& directories) {
  LowerLayers out;
  std::vector<std::string> names;
  for (const std::string& path : lower) {
    TRY_ASSIGN(names.emplace_back(), directories.add(path));
  }
  std::string joined = join(names);
  if (joined.size() > kOptionLimit && lower.size() <= kOptionLimit / 2 + 1) {
    TRY_ASSIGN(sys::DetachedMount links, sys::make_filesystem("tmpfs", {}));
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string target = "/proc/self/fd/" + names[i];
      names[i] = link_name(i);
      if (::symlinkat(target.c_str(), links.get(), names[i].c_str()) != 0) return fail_errno(errno, "make a link to a layer");
    }
    joined = join(names);
    out.directory = links.release();
  } else {
    TRY_ASSIGN(out.directory, sys::open_path("/proc/self/fd", O_PATH | O_DIRECTORY));
  }
  if (joined.size() <= kOptionLimit) {
    out.options.push_back({"lowerdir", std::move(joined)});
    return out;
  }
  // REMOVE-WHEN: kernel >= 6.8 (the joined forms)
  for (std::string& name : names) out.options.push_back({"lowerdir+", std::move(name)});
  return out;
}

// Through links of the image, but never out of it.
Result<void> make_directories(FdRef root, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    auto made = sys::make_directories_in_root(root, path, 0755);
    if (!made.ok()) return std::move(made).error().within("image volume '{}'", path);
  }
  return {};
}

Result<sys::DetachedMount> make_overlay(const OverlayRoot& overlay) {
  if (overlay.lower.empty()) return fail(Code::invalid_argument, "overlay: no lower layer");
  OverlayDirectories directories;
  TRY_ASSIGN(LowerLayers layers, plan_lower(overlay.lower, directories));
  std::vector<sys::FilesystemOption>& options = layers.options;
  options.insert(options.begin(), {"source", "overlay"});
  if (!overlay.upper.empty()) {
    TRY_ASSIGN(const std::string upper, directories.add(overlay.upper));
    TRY_ASSIGN(const std::string work, directories.add(overlay.work));
    options.push_back({"upperdir", "/proc/self/fd/" + upper});
    options.push_back({"workdir", "/proc/self/fd/" + work});
  }
  const bool one_by_one = options[1].key == "lowerdir+";
  WorkingDirectory here;
  TRY(here.enter(layers.directory));
  auto mount = sys::make_filesystem("overlay", options, overlay.upper.empty() ? MOUNT_ATTR_RDONLY : 0);
  if (!mount.ok() && one_by_one)
    return std::move(mount).error().within("overlay of {} lower layers, more than {} need Linux 6.8", overlay.lower.size(),
                                           kOptionLimit / 2 + 1);
  if (!mount.ok()) return std::move(mount).error().within("overlay of {} lower layers", overlay.lower.size());
  if (!overlay.upper.empty()) TRY(make_directories(mount.value().fd(), overlay.directories));
  return mount;
}

// An overlay without upper layer needs two lower ones; one alone is a read-only bind.
bool is_single_lower(const OverlayRoot& overlay) {
  return overlay.upper.empty() && overlay.lower.size() == 1;
}

Result<sys::DetachedMount> bind_root(const oci::Spec& spec, const std::string& path, std::uint64_t attributes) {
  auto mount = sys::clone_tree(path, true);
  if (!mount.ok()) return std::move(mount).error().within("root.path");
  TRY_ASSIGN(const std::uint64_t propagation, root_propagation(spec));
  // A shared mount cannot become the root (pivot_root(2)); "shared" is set again at the end, as a group of its own.
  const bool follows_host = propagation == MS_SLAVE || propagation == MS_SHARED;
  sys::MountAttributes tree;
  tree.propagation = follows_host ? MS_SLAVE : MS_PRIVATE;
  tree.recursive = true;
  TRY(sys::set_attributes(mount.value().fd(), tree).context("root.path"));
  TRY(sys::set_attributes(mount.value().fd(), {.set = attributes, .clear = 0, .propagation = 0, .recursive = false}).context("root.path"));
  return mount;
}

}  // namespace

Result<std::uint64_t> root_propagation(const oci::Spec& spec) {
  const std::string& word = spec.linux_.rootfs_propagation;
  if (word.empty()) return std::uint64_t{0};
  bool recursive = false;
  const std::uint64_t flag = parse_propagation(word, &recursive);
  if (flag == 0) return fail(Code::invalid_argument, "linux.rootfsPropagation: '{}' is not known", word);
  return flag == MS_PRIVATE ? std::uint64_t{0} : flag;
}

Result<sys::DetachedMount> make_root(const oci::Spec& spec, const std::string& bundle, const std::optional<OverlayRoot>& overlay) {
  if (overlay && is_single_lower(*overlay)) return bind_root(spec, overlay->lower[0], MOUNT_ATTR_RDONLY);
  if (overlay) return make_overlay(*overlay);
  if (!spec.root || spec.root->path.empty()) return fail(Code::invalid_argument, "root.path: missing");
  const std::string path = spec.root->path.starts_with('/') ? spec.root->path : bundle + "/" + spec.root->path;
  TRY_ASSIGN(const UniqueFd directory, sys::open_path(path, O_PATH | O_DIRECTORY).context("root.path"));
  return bind_root(spec, path, 0);
}

}  // namespace slipway::runtime
