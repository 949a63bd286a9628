// Detached mounts for init.
#include "runtime/mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <deque>

#include "base/text.h"
#include "base/weaken.h"
#include "cgroups/root.h"
#include "runtime/copy_up.h"
#include "runtime/devices.h"
#include "runtime/paths.h"
#include "runtime/process_plan.h"
#include "runtime/root.h"
#include "sys/file.h"
#include "sys/namespace.h"

namespace slipway::runtime {
namespace {

Result<void> check_procfs(FdRef mount, const PlannedMount& planned) {
  struct statfs fs = {};
  if (::fstatfs(mount.get(), &fs) != 0) return fail_errno(errno, "statfs '{}'", planned.source);
  if (fs.f_type == PROC_SUPER_MAGIC) return {};
  return fail(Code::invalid_argument, "destination '/{}': only a part of a proc file system may be bound there, '{}' is none",
              planned.target, planned.source);
}

// Flags of the mount itself, of the whole tree, and whom it hears. Without a word: nobody, and nobody hears it. At once, not by one call
// for the whole root at the end: another mount's target may lead into this one through a link, and would appear on the host.
Result<void> set_options(FdRef mount, const MountOptions& options) {
  sys::MountAttributes own = options.attributes;
  sys::MountAttributes tree = options.recursive;
  tree.recursive = true;
  const bool whole_tree = options.propagation == 0 || options.propagation_recursive;
  (whole_tree ? tree : own).propagation = options.propagation == 0 ? std::uint64_t{MS_PRIVATE} : options.propagation;
  // Without mounts beneath, one call does both.
  if (!options.recursive_bind && (own.clear & tree.set) == 0 && (own.set & tree.clear) == 0) {
    own.set |= tree.set;
    own.clear |= tree.clear;
    own.propagation |= tree.propagation;
    return sys::set_attributes(mount, own);
  }
  TRY(sys::set_attributes(mount, tree));
  return sys::set_attributes(mount, own);
}

// In a user namespace the flags that a mount of the host's came with are locked, its atime ones too (mount_namespaces(7)): those stay, as
// mount(8) leaves what it cannot change.
Result<void> set_bind_options(FdRef mount, MountOptions options) {
  auto set = set_options(mount, options);
  const bool atime = ((options.attributes.clear | options.recursive.clear) & MOUNT_ATTR__ATIME) != 0;
  if (set.ok() || set.error().sys_errno != EPERM || !atime || sys::in_initial_user_namespace()) return set;
  for (sys::MountAttributes* attributes : {&options.attributes, &options.recursive}) {
    attributes->clear &= ~std::uint64_t{MOUNT_ATTR__ATIME};
    attributes->set &= ~std::uint64_t{MOUNT_ATTR__ATIME};
  }
  return set_options(mount, options);
}

// What the makers of mounts share.
struct Making {
  const oci::Spec& spec;
  const MountPlan& mounts;
  FdRef root;  // of the container, without the mounts
  const UserNamespace* user;
  const std::vector<ImageVolume>& images;
  std::deque<UserNamespace> mapped;  // made for binds with maps of their own
  std::vector<RefusedDevice> refused;

  const ImageVolume* image_of(const PlannedMount& planned) const {
    if (planned.maker != Maker::bind) return nullptr;
    const auto found = std::ranges::find(images, planned.source, &ImageVolume::source);
    return found == images.end() ? nullptr : &*found;
  }

  Result<FdRef> namespace_for(const IdMaps& ids) {
    if (user != nullptr && (ids.empty() || ids == user->maps())) return user->fd();
    for (const UserNamespace& made : mapped) {
      if (made.maps() == ids) return made.fd();
    }
    TRY_ASSIGN(UserNamespace made, make_user_namespace(ids));
    return mapped.emplace_back(std::move(made)).fd();
  }
};

Result<sys::DetachedMount> make_bind(Making& making, const PlannedMount& planned, const std::string& source) {
  TRY_ASSIGN(sys::DetachedMount mount, sys::clone_tree(source, planned.options.recursive_bind));
  if (planned.must_be_procfs) TRY(check_procfs(mount.fd(), planned));
  if (planned.map_ids) {
    TRY_ASSIGN(const FdRef ids, making.namespace_for(planned.ids));
    TRY(sys::map_ids(mount.fd(), ids, planned.options.map_ids_recursive).context("id-mapped bind of '{}'", source));
  }
  TRY(set_bind_options(mount.fd(), planned.options));
  return mount;
}

Result<sys::DetachedMount> make_image(const Making& making, const PlannedMount& planned, const ImageVolume& image) {
  TRY_ASSIGN(sys::DetachedMount mount, make_image_mount(image, making.spec.linux_.mount_label, making.user));
  MountOptions options = planned.options;
  options.attributes.set |= MOUNT_ATTR_RDONLY;
  TRY(set_options(mount.fd(), options));
  return mount;
}

// The mount points beneath /dev, so that init finds them made.
DevContent dev_content(const Making& making) {
  DevContent content;
  content.devices = &making.spec.linux_.devices;
  content.console = making.spec.process && making.spec.process->terminal;
  content.user = making.user;
  for (const PlannedMount& mount : making.mounts.mounts) {
    if (!is_at_or_beneath(mount.target, "dev") || mount.target.size() <= 4) continue;
    const std::string name = mount.target.substr(4);
    struct stat st = {};
    if (mount.maker != Maker::bind) {
      content.directories.push_back(name);
    } else if (name.find('/') == std::string::npos && ::stat(mount.source.c_str(), &st) == 0) {
      (S_ISDIR(st.st_mode) ? content.directories : content.files).push_back(name);
    }
  }
  return content;
}

// Those that are made for the container alone and keep no labels of their own. Without SELinux a mount's label says nothing to anybody.
bool takes_label(const oci::Spec& spec, const PlannedMount& planned) {
  if (spec.linux_.mount_label.empty() || !selinux_enabled()) return false;
  return planned.type == "tmpfs" || planned.type == "devpts";
}

// mqueue has labels but no option for them; a user namespace's has none.
bool labelled_later(const oci::Spec& spec, const PlannedMount& planned) {
  const auto is_user = [](const oci::Namespace& entry) { return entry.type == oci::NamespaceType::user; };
  return planned.type == "mqueue" && !spec.linux_.mount_label.empty() && selinux_enabled() &&
         std::none_of(spec.linux_.namespaces.begin(), spec.linux_.namespaces.end(), is_user);
}

std::vector<sys::FilesystemOption> filesystem_options(const oci::Spec& spec, const PlannedMount& planned) {
  std::vector<sys::FilesystemOption> options = planned.options.data;
  if (takes_label(spec, planned)) options.push_back({"context", spec.linux_.mount_label});
  if (!planned.source.empty()) options.insert(options.begin(), {"source", planned.source});
  return options;
}

// A tmpfs made by the host's root for a user namespace: ids in its options are the container's, without them its root owns it.
Result<void> own_tmpfs(const UserNamespace& user, std::vector<sys::FilesystemOption>& options) {
  bool uid_given = false;
  bool gid_given = false;
  for (sys::FilesystemOption& option : options) {
    if (option.key != "uid" && option.key != "gid") continue;
    const bool uid = option.key == "uid";
    (uid ? uid_given : gid_given) = true;
    const std::string text = option.value.value_or("");
    const auto id = to_number<std::uint32_t>(text);
    if (!id) return fail(Code::invalid_argument, "option '{}={}' is no number", option.key, text);
    TRY_ASSIGN(const std::uint32_t host_id, uid ? user.host_uid(*id) : user.host_gid(*id));
    option.value = fmt::format("{}", host_id);
  }
  TRY_ASSIGN(const std::uint32_t uid, user.host_uid(0));
  TRY_ASSIGN(const std::uint32_t gid, user.host_gid(0));
  if (!uid_given) options.push_back({"uid", fmt::format("{}", uid)});
  if (!gid_given) options.push_back({"gid", fmt::format("{}", gid)});
  return {};
}

Result<sys::DetachedMount> make_here(Making& making, const PlannedMount& planned) {
  auto options = filesystem_options(making.spec, planned);
  if (making.user != nullptr && planned.type == "tmpfs") TRY(own_tmpfs(*making.user, options));
  // A file system that is not a tmpfs may want the flags while it is made: a device that cannot be written, for one.
  TRY_ASSIGN(sys::DetachedMount mount,
             sys::make_filesystem(planned.type, options, planned.options.attributes.set | planned.options.recursive.set));
  if (planned.options.propagation != 0)
    TRY(sys::set_attributes(mount.fd(), {.set = 0, .clear = 0, .propagation = planned.options.propagation, .recursive = false}));
  if (planned.options.copy_up) {
    CopyUp copy;
    for (const sys::FilesystemOption& option : planned.options.data) {
      if (option.key == "mode") copy.keep_mode = false;
      if (option.key == "uid" || option.key == "gid") copy.keep_owner = false;
    }
    TRY(copy_up(making.root, planned.target, mount.fd(), copy).context("tmpcopyup"));
  }
  if (planned.is_dev) TRY(populate_dev(mount.fd(), dev_content(making), making.refused));
  return mount;
}

// Where the host has what a user namespace may not make anew: its own view of the same, unless a new namespace was to give another one.
const char* fallback_of(const oci::Spec& spec, const PlannedMount& planned) {
  if (planned.type == "sysfs") return "/sys";
  if (planned.type == "cgroup2") return "/sys/fs/cgroup";
  if (planned.type == "mqueue" && !has_new_namespace(spec, oci::NamespaceType::ipc)) return "/dev/mqueue";
  if (planned.type == "proc" && !has_new_namespace(spec, oci::NamespaceType::pid)) return "/proc";
  return nullptr;
}

void leave_to_init(const oci::Spec& spec, const PlannedMount& planned, init::MountEntry& entry, LaunchPlan& plan) {
  entry.type = plan.keep(planned.type);
  auto& options = plan.fs_options.emplace_back();
  for (const sys::FilesystemOption& option : filesystem_options(spec, planned))
    options.push_back({plan.keep(option.key), option.value ? plan.keep(*option.value) : nullptr});
  entry.options = {options.data(), static_cast<std::uint32_t>(options.size())};
  entry.attributes = planned.options.attributes.set | planned.options.recursive.set;
  entry.propagation = planned.options.propagation == MS_PRIVATE ? 0 : planned.options.propagation;
  entry.fallback = fallback_of(spec, planned);
  if (labelled_later(spec, planned)) entry.label = plan.keep(spec.linux_.mount_label);
  entry.of_pid = planned.type == "proc" && plan.init.birth == init::Birth::late;
}

void leave_remount(const PlannedMount& planned, init::MountEntry& entry, LaunchPlan& plan) {
  const MountOptions& options = planned.options;
  entry.remount = true;
  entry.own = {options.attributes.set, options.attributes.clear, options.propagation_recursive ? 0 : options.propagation};
  entry.tree = {options.recursive.set, options.recursive.clear, options.propagation_recursive ? options.propagation : 0};
  auto& list = plan.fs_options.emplace_back();
  for (const sys::FilesystemOption& option : options.data)
    list.push_back({plan.keep(option.key), option.value ? plan.keep(*option.value) : nullptr});
  entry.options = {list.data(), static_cast<std::uint32_t>(list.size())};
}

// nullptr: it is no link.
Result<const char*> link_text(const std::string& path, LaunchPlan& plan) {
  char text[PATH_MAX];
  const ssize_t n = ::readlink(path.c_str(), text, sizeof text - 1);
  if (n < 0 && errno == EINVAL) return static_cast<const char*>(nullptr);
  if (n < 0) return fail_errno(errno, "read the link '{}'", path);
  return plan.keep(std::string(text, static_cast<std::size_t>(n)));
}

// The host's nodes for those that could not be made, as entries before that of number `at`.
Result<void> bind_devices(Making& making, LaunchPlan& plan, std::size_t& at) {
  for (const RefusedDevice& device : making.refused) {
    TRY_ASSIGN(UniqueFd mount, clone_device(device));
    init::MountEntry entry;
    entry.target = plan.keep(device.target);
    entry.fd = plan.own(std::move(mount));
    plan.mounts.insert(plan.mounts.begin() + static_cast<std::ptrdiff_t>(at++), entry);
  }
  making.refused.clear();
  return {};
}

Result<init::MountEntry> plan_entry(const oci::Spec& spec, const PlannedMount& planned, LaunchPlan& plan) {
  init::MountEntry entry;
  entry.target = plan.keep(planned.target);
  entry.real_target = planned.real_target;
  entry.readonly_last = planned.readonly_last;
  if (planned.maker == Maker::remount) leave_remount(planned, entry, plan);
  if (planned.maker == Maker::init) leave_to_init(spec, planned, entry, plan);
  if (planned.maker == Maker::bind && planned.options.copy_symlink) {
    TRY_ASSIGN(entry.link, link_text(planned.source, plan));
  }
  entry.awaited = planned.maker != Maker::remount && planned.maker != Maker::init && entry.link == nullptr;
  return entry;
}

Result<sys::DetachedMount> make_mount(Making& making, const PlannedMount& planned) {
  switch (planned.maker) {
    case Maker::filesystem: return make_here(making, planned);
    case Maker::bind: {
      const ImageVolume* image = making.image_of(planned);
      return image != nullptr ? make_image(making, planned, *image) : make_bind(making, planned, planned.source);
    }
    case Maker::cgroup_bind: {
      TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
      return make_bind(making, planned, root.path);
    }
    default: return fail(Code::internal, "'{}' is not the runner's to make", planned.target);
  }
}

// `at`: its entry's number, then the next one's.
Result<void> make_one(Making& making, const PlannedMount& planned, LaunchPlan& plan, std::size_t& at) {
  init::MountEntry& entry = plan.mounts[at++];
  if (!entry.awaited) return {};
  TRY_ASSIGN(sys::DetachedMount mount, make_mount(making, planned));
  entry.fd = plan.own(mount.release());
  return bind_devices(making, plan, at);
}

// Without a mount over /dev the devices go into the root's own, which must be a real directory (CVE-2026-41579).
Result<void> populate_root_dev(Making& making, FdRef root) {
  if (::mkdirat(root.get(), "dev", 0755) != 0 && errno != EEXIST) return fail_errno(errno, "make '/dev' in the root");
  auto dev = sys::open_at(root, "dev", O_PATH | O_DIRECTORY | (weakened(Defence::dev_directory) ? 0 : O_NOFOLLOW));
  if (!dev.ok()) return std::move(dev).error().within("'/dev' in the root must be a directory");
  return populate_dev(dev.value(), dev_content(making), making.refused);
}

}  // namespace

Result<void> plan_entries(const oci::Spec& spec, const MountPlan& mounts, LaunchPlan& plan) {
  if (!spec.linux_.mount_label.empty()) TRY(check_selinux_label("linux.mountLabel", spec.linux_.mount_label));
  plan.mounts.reserve(mounts.mounts.size());
  for (std::size_t i = 0; i < mounts.mounts.size(); ++i) {
    auto planned = plan_entry(spec, mounts.mounts[i], plan);
    if (!planned.ok()) return std::move(planned).error().within("mounts[{}] '/{}'", i, mounts.mounts[i].target);
    plan.mounts.push_back(planned.value());
  }
  for (const std::string& path : spec.linux_.readonly_paths) plan.readonly_paths.push_back(plan.keep(clean_in_root(path)));
  for (const std::string& path : spec.linux_.masked_paths) plan.masked.push_back(plan.keep(clean_in_root(path)));
  return {};
}

Result<void> make_mounts(const oci::Spec& spec, const MountPlan& mounts, const sys::DetachedMount& root, const UserNamespace* user,
                         const std::vector<ImageVolume>& images, LaunchPlan& plan) {
  Making making{spec, mounts, root.fd(), user, images, {}, {}};
  std::size_t at = 0;
  for (std::size_t i = 0; i < mounts.mounts.size(); ++i) {
    auto made = make_one(making, mounts.mounts[i], plan, at);
    // CRI's word for it, which has to be the first one that the kubelet reads.
    if (!made.ok() && making.image_of(mounts.mounts[i]) != nullptr)
      return std::move(made).error().within("ImageVolumeMountFailed: the image volume at '/{}'", mounts.mounts[i].target);
    if (!made.ok()) return std::move(made).error().within("mounts[{}] '/{}'", i, mounts.mounts[i].target);
  }
  if (!mounts.dev_is_mounted) TRY(populate_root_dev(making, root.fd()));
  TRY(make_other_devices(root.fd(), spec.linux_.devices, user, making.refused));
  return bind_devices(making, plan, at);
}

Result<void> make_masks(LaunchPlan& plan) {
  if (plan.masked.empty()) return {};
  TRY_ASSIGN(sys::DetachedMount file, clone_null());
  TRY_ASSIGN(sys::DetachedMount directory, sys::make_filesystem("tmpfs", {}, MOUNT_ATTR_RDONLY));
  plan.init.root.mask_file = plan.own(file.release());
  plan.init.root.mask_directory = plan.own(directory.release());
  return {};
}

}  // namespace slipway::runtime
