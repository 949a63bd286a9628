// Bind or overlay as the container's root.
#include "runtime/root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/momentary_mounts.h"
#include "runtime/mount_options.h"
#include "runtime/process_plan.h"
#include "sys/file.h"
#include "sys/namespace.h"

namespace slipway::runtime {
namespace {

constexpr std::size_t kOptionLimit = 255;  // fsconfig(2) cuts strings there: EINVAL

// Overlayfs takes its layers from the caller's namespace only, not detached, so id-mapped ones have to be attached somewhere, without an
// eye on the host's. REMOVE-WHEN: kernel >= 6.15
Result<UniqueFd> attach_mapped(const std::string& path, const MomentaryMounts& mounts, FdRef ids) {
  TRY_ASSIGN(sys::DetachedMount mount, sys::clone_tree(path, false));
  TRY(sys::map_ids(mount.fd(), ids, false).context("id-mapped layer '{}'", path));
  TRY(sys::attach(mount, mounts.root()));
  return mount.release();
}

// Overlay directories as descriptors: their names, seen from /proc/self/fd, are one to three digits.
class OverlayDirectories {
 public:
  Result<std::string> add_mapped(const std::string& path, const MomentaryMounts& mounts, FdRef ids) {
    TRY_ASSIGN(fds_.emplace_back(), attach_mapped(path, mounts, ids));
    return fmt::format("{}", fds_.back().get());
  }

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
Result<LowerLayers> plan_lower(std::vector<std::string> names) {
  LowerLayers out;
  std::string joined = join(names);
  if (joined.size() > kOptionLimit && names.size() <= kOptionLimit / 2 + 1) {
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

Result<sys::DetachedMount> mount_overlay(const OverlayRoot& overlay, std::vector<std::string> lower, const std::string& label,
                                         OverlayDirectories& directories) {
  TRY_ASSIGN(LowerLayers layers, plan_lower(std::move(lower)));
  std::vector<sys::FilesystemOption>& options = layers.options;
  options.insert(options.begin(), {"source", "overlay"});
  if (!overlay.upper.empty()) {
    TRY_ASSIGN(const std::string upper, directories.add(overlay.upper));
    TRY_ASSIGN(const std::string work, directories.add(overlay.work));
    options.push_back({"upperdir", "/proc/self/fd/" + upper});
    options.push_back({"workdir", "/proc/self/fd/" + work});
  }
  if (!label.empty() && selinux_enabled()) options.push_back({"context", label});
  const bool one_by_one = options[1].key == "lowerdir+";
  WorkingDirectory here;
  TRY(here.enter(layers.directory));
  auto mount = sys::make_filesystem("overlay", options, overlay.upper.empty() ? MOUNT_ATTR_RDONLY : 0);
  if (!mount.ok() && one_by_one)
    return std::move(mount).error().within("overlay of {} lower layers, more than {} need Linux 6.8", overlay.lower.size(),
                                           kOptionLimit / 2 + 1);
  if (!mount.ok()) return std::move(mount).error().within("overlay of {} lower layers", overlay.lower.size());
  return mount;
}

// Through links of the image, but never out of it. What the host's root made is the container's root's: its own ids look mapped here.
Result<void> make_directories(FdRef root, const std::vector<std::string>& paths, const UserNamespace* user) {
  for (const std::string& path : paths) {
    auto made = sys::make_directories_in_root(root, path, 0755);
    if (!made.ok()) return std::move(made).error().within("image volume '{}'", path);
    if (user == nullptr) continue;
    struct stat st = {};
    if (::fstat(made.value().get(), &st) != 0) return fail_errno(errno, "stat image volume '{}'", path);
    if (st.st_uid != 0) continue;
    TRY_ASSIGN(const std::uint32_t uid, user->host_uid(0));
    TRY_ASSIGN(const std::uint32_t gid, user->host_gid(0));
    if (::fchownat(made.value().get(), "", uid, gid, AT_EMPTY_PATH) != 0) return fail_errno(errno, "own image volume '{}'", path);
  }
  return {};
}

// Files that a container makes are of the host's ids in the upper layer; its topmost directory has to be as well.
Result<void> own_upper(const OverlayRoot& overlay, const UserNamespace& user) {
  struct stat st = {};
  if (::stat(overlay.lower[0].c_str(), &st) != 0) return fail_errno(errno, "stat layer '{}'", overlay.lower[0]);
  TRY_ASSIGN(const std::uint32_t uid, user.host_uid(st.st_uid));
  TRY_ASSIGN(const std::uint32_t gid, user.host_gid(st.st_gid));
  if (::chown(overlay.upper.c_str(), uid, gid) != 0) return fail_errno(errno, "change the owner of '{}'", overlay.upper);
  return {};
}

Result<sys::DetachedMount> make_overlay(const OverlayRoot& overlay, const std::string& label, const UserNamespace* user) {
  if (overlay.lower.empty()) return fail(Code::invalid_argument, "overlay: no lower layer");
  if (user != nullptr && !overlay.upper.empty()) TRY(own_upper(overlay, *user).context("overlay"));
  MomentaryMounts momentary;
  if (user != nullptr) TRY(momentary.enter("id-mapped layers", MS_PRIVATE));
  OverlayDirectories directories;
  std::vector<std::string> names;
  for (const std::string& path : overlay.lower) {
    TRY_ASSIGN(names.emplace_back(), user == nullptr ? directories.add(path) : directories.add_mapped(path, momentary, user->fd()));
  }
  TRY_ASSIGN(sys::DetachedMount mount, mount_overlay(overlay, std::move(names), label, directories));
  TRY(momentary.leave());
  if (!overlay.upper.empty()) TRY(make_directories(mount.fd(), overlay.directories, user));
  return mount;
}

// An overlay without upper layer needs two lower ones; one alone is a read-only bind.
bool is_single_lower(const OverlayRoot& overlay) {
  return overlay.upper.empty() && overlay.lower.size() == 1;
}

Result<sys::DetachedMount> bind_root(const oci::Spec& spec, const std::string& path, std::uint64_t attributes, const UserNamespace* ids) {
  auto mount = sys::clone_tree(path, true);
  if (!mount.ok()) return std::move(mount).error().within("root.path");
  if (ids != nullptr) TRY(sys::map_ids(mount.value().fd(), ids->fd(), false).context("id-mapped root '{}'", path));
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

// The directory or file that a path of an image leads to, as a mount of its own.
Result<sys::DetachedMount> clone_sub_path(FdRef image, const std::string& path) {
  TRY_ASSIGN(const UniqueFd found, sys::open_in_root(image, path, O_PATH).context("sub path"));
  struct stat st = {};
  if (::fstat(found.get(), &st) != 0) return fail_errno(errno, "stat '{}'", path);
  if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
    return fail(Code::failed_precondition, "sub path '{}' is neither a directory nor a file", path);
  return sys::clone_tree_at(found, false);
}

// What is detached cannot be cloned in part. REMOVE-WHEN: kernel >= 6.15
Result<sys::DetachedMount> part_of(const sys::DetachedMount& image, const std::string& path) {
  MomentaryMounts momentary;
  TRY(momentary.enter("a part of an image", MS_PRIVATE));
  TRY(sys::attach(image, momentary.root()));
  TRY_ASSIGN(sys::DetachedMount part, clone_sub_path(image.fd(), path));
  TRY(momentary.leave());
  return part;
}

}  // namespace

Result<sys::DetachedMount> make_image_mount(const ImageVolume& volume, const std::string& label, const UserNamespace* user) {
  if (volume.lower.size() > 1) {
    TRY_ASSIGN(sys::DetachedMount image, make_overlay({volume.lower, "", "", {}}, label, user));
    if (volume.sub_path.empty()) return image;
    return part_of(image, volume.sub_path);
  }
  if (volume.lower.empty()) return fail(Code::invalid_argument, "an image without layers");
  TRY_ASSIGN(const UniqueFd layer, sys::open_path(volume.lower[0], O_PATH | O_DIRECTORY));
  TRY_ASSIGN(sys::DetachedMount mount, volume.sub_path.empty() ? sys::clone_tree_at(layer, false) : clone_sub_path(layer, volume.sub_path));
  if (user != nullptr) TRY(sys::map_ids(mount.fd(), user->fd(), false).context("id-mapped layer '{}'", volume.lower[0]));
  return mount;
}

Result<std::uint64_t> root_propagation(const oci::Spec& spec) {
  const std::string& word = spec.linux_.rootfs_propagation;
  if (word.empty()) return std::uint64_t{0};
  bool recursive = false;
  const std::uint64_t flag = parse_propagation(word, &recursive);
  if (flag == 0) return fail(Code::invalid_argument, "linux.rootfsPropagation: '{}' is not known", word);
  return flag == MS_PRIVATE ? std::uint64_t{0} : flag;
}

std::string root_path(const oci::Spec& spec, const std::string& bundle) {
  const std::string path = spec.root ? spec.root->path : "";
  return path.starts_with('/') ? path : bundle + "/" + path;
}

Result<sys::DetachedMount> make_root(const oci::Spec& spec, const std::string& bundle, const std::optional<OverlayRoot>& overlay,
                                     const UserNamespace* user) {
  if (overlay && is_single_lower(*overlay)) return bind_root(spec, overlay->lower[0], MOUNT_ATTR_RDONLY, user);
  if (overlay) return make_overlay(*overlay, spec.linux_.mount_label, user);
  if (!spec.root || spec.root->path.empty()) return fail(Code::invalid_argument, "root.path: missing");
  const std::string path = root_path(spec, bundle);
  return bind_root(spec, path + "/.", 0, nullptr);  // ENOTDIR for what is no directory
}

}  // namespace slipway::runtime
