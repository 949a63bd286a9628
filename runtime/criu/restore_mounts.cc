// Binds and the root, attached where criu takes them from.
#include "runtime/criu/restore_mounts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "cgroups/root.h"
#include "runtime/paths.h"
#include "runtime/root.h"
#include "runtime/user_namespace.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/namespace.h"

namespace slipway::runtime::criu {
namespace {

constexpr std::string_view kDefaultDevices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/urandom"};

bool is_directory(FdRef object) {
  struct stat st = {};
  return ::fstat(object.get(), &st) == 0 && S_ISDIR(st.st_mode);
}

Result<UniqueFd> make_file_in_root(FdRef root, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  TRY_ASSIGN(const UniqueFd parent, sys::make_directories_in_root(root, slash == std::string::npos ? "" : path.substr(0, slash), 0755));
  return sys::open_at(parent, path.substr(slash + 1), O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
}

Result<void> make_mount_point(FdRef root, const std::string& path, bool directory) {
  const auto there = sys::open_in_root(root, path, O_PATH);
  if (there.ok()) return {};
  if (there.error().sys_errno != ENOENT) return there.error();
  auto made = directory ? sys::make_directories_in_root(root, path, 0755) : make_file_in_root(root, path);
  if (!made.ok()) return std::move(made).error();
  return {};
}

// A bind of config.json where criu can take it from.
struct Prepared {
  const PlannedMount* planned = nullptr;
  std::string path;
};

class Maker {
 public:
  explicit Maker(const RestoreMountsRequest& request) : request_(request), spec_(*request.spec) {}

  Result<RestoreMounts> make() {
    TRY_ASSIGN(plan_, plan_mounts(spec_, request_.bundle));
    TRY(make_root());
    TRY(make_yard());
    for (const PlannedMount& planned : plan_.mounts) {
      auto made = make_planned(planned);
      if (!made.ok()) return std::move(made).error().within("mount at '/{}'", planned.target);
    }
    TRY(protect_root());
    if (request_.notes->ours) {
      for (const ExternalMount& mount : request_.notes->mounts) {
        auto named = name(mount);
        if (!named.ok()) return std::move(named).error().within("the checkpoint's mount at '{}'", mount.name);
      }
    } else {
      name_all();
    }
    return std::move(out_);
  }

 private:
  // An attached mount's path. Whom it hears stays what `keep` says: criu makes slaves of what hears the host.
  Result<std::string> attach(const sys::DetachedMount& mount, bool keep) {
    const std::string path = fmt::format("{}/{}", request_.scratch, next_++);
    if (!keep) TRY(sys::set_attributes(mount.fd(), {.set = 0, .clear = 0, .propagation = MS_PRIVATE, .recursive = true}));
    const bool directory = is_directory(mount.fd());
    if (directory && ::mkdir(path.c_str(), 0700) != 0) return fail_errno(errno, "make '{}'", path);
    UniqueFd target;
    if (directory) {
      TRY_ASSIGN(target, sys::open_path(path, O_PATH | O_DIRECTORY));
    } else {
      TRY_ASSIGN(target, sys::open_path(path, O_RDONLY | O_CREAT | O_EXCL, 0600));
    }
    TRY(sys::attach(mount, target));
    return path;
  }

  // criu takes the root's flags from here, those of all other mounts from the images. While it changes the root it covers /tmp, or makes a
  // directory in the root: where that cannot be, /tmp has to be there. A file system that is read-only itself, or not ours to write, may
  // lack it: then criu says so.
  Result<void> protect_root() {
    if (!spec_.root || !spec_.root->readonly) return {};
    const auto made = make_mount_point(root_, "tmp", true);
    const int error = made.ok() ? 0 : made.error().sys_errno;
    if (!made.ok() && error != EROFS && error != EACCES && error != EPERM) return made.error();
    return sys::set_attributes(root_, {.set = MOUNT_ATTR_RDONLY, .clear = 0, .propagation = 0, .recursive = false});
  }

  Result<void> make_root() {
    const std::string path = root_path(spec_, request_.bundle);
    TRY_ASSIGN(const sys::DetachedMount mount, sys::clone_tree(path, true).context("root.path"));
    TRY_ASSIGN(const std::uint64_t propagation, root_propagation(spec_));
    TRY_ASSIGN(out_.root, attach(mount, propagation == MS_SLAVE || propagation == MS_SHARED));
    TRY_ASSIGN(root_, sys::open_path(out_.root, O_PATH | O_DIRECTORY));
    return {};
  }

  Result<void> make_yard() {
    TRY_ASSIGN(const std::string path, cgroup_root());
    TRY_ASSIGN(const sys::DetachedMount mount, sys::clone_tree(path, false));
    TRY(sys::set_attributes(mount.fd(), {.set = 0, .clear = 0, .propagation = MS_PRIVATE, .recursive = false}));
    out_.cgroup_yard = request_.scratch + "/cgroups";
    TRY(sys::make_directories(out_.cgroup_yard + "/unified", 0700));
    TRY_ASSIGN(const UniqueFd target, sys::open_path(out_.cgroup_yard + "/unified", O_PATH | O_DIRECTORY));
    return sys::attach(mount, target);
  }

  Result<void> map_ids(const PlannedMount& planned, const sys::DetachedMount& mount) {
    const IdMaps ids = planned.ids.empty() ? IdMaps{spec_.linux_.uid_mappings, spec_.linux_.gid_mappings} : planned.ids;
    TRY_ASSIGN(const UserNamespace mapped, make_user_namespace(ids));
    return sys::map_ids(mount.fd(), mapped.fd(), planned.options.map_ids_recursive);
  }

  Result<void> make_planned(const PlannedMount& planned) {
    bool directory = true;
    Prepared prepared{&planned, ""};
    if (planned.maker == runtime::Maker::bind) {
      TRY_ASSIGN(const sys::DetachedMount mount, sys::clone_tree(planned.source, planned.options.recursive_bind));
      if (planned.map_ids) TRY(map_ids(planned, mount));
      directory = is_directory(mount.fd());
      const std::uint64_t propagation = planned.options.propagation;
      TRY_ASSIGN(prepared.path, attach(mount, propagation == MS_SLAVE || propagation == MS_SHARED));
    }
    TRY(make_target(planned.target, directory));
    prepared_.push_back(std::move(prepared));
    return {};
  }

  // In the root or in the bind that lies over it; criu makes them in all other mounts, with their contents.
  Result<void> make_target(const std::string& target, bool directory) {
    const Prepared* in = nullptr;
    for (const Prepared& prepared : prepared_) {
      const std::string& point = prepared.planned->target;
      if (is_at_or_beneath(target, point) && (in == nullptr || point.size() >= in->planned->target.size())) in = &prepared;
    }
    if (in == nullptr) return make_mount_point(root_, target, directory);
    const std::string& point = in->planned->target;
    if (in->planned->maker != runtime::Maker::bind || target.size() <= point.size()) return {};
    TRY_ASSIGN(const UniqueFd bind, sys::open_path(in->path, O_PATH));
    return make_mount_point(bind, target.substr(point.size() + 1), directory);
  }

  void add(const std::string& name, const std::string& path) {
    if (names_.insert(name).second) out_.external.push_back(fmt::format("mnt[{}]:{}", name, path));
  }

  // A mount beneath a mount: an attached one of its own, so that no link on the way leads criu elsewhere.
  Result<std::string> beneath(const std::string& top, const std::string& path) {
    if (path.empty()) return top;
    TRY_ASSIGN(const UniqueFd root, sys::open_path(top, O_PATH));
    TRY_ASSIGN(const UniqueFd object, sys::open_in_root(root, path, O_PATH));
    TRY_ASSIGN(const sys::DetachedMount mount, sys::clone_tree_at(object, false));
    return attach(mount, false);
  }

  Result<void> name(const ExternalMount& mount) {
    std::string path;
    switch (mount.source) {
      case Source::bind: {
        const Prepared* bind = find(clean_in_root(mount.of));
        if (bind == nullptr) return fail(Code::failed_precondition, "config.json has no bind at '{}'", mount.of);
        TRY_ASSIGN(path, beneath(bind->path, mount.beneath));
        break;
      }
      case Source::root: {
        TRY_ASSIGN(path, beneath(out_.root, mount.beneath));
        break;
      }
      case Source::device: {
        if (!is_device(mount.of)) return fail(Code::failed_precondition, "config.json has no device '{}'", mount.of);
        path = mount.of;
        break;
      }
      case Source::cgroup: {
        TRY(check_cgroup_bind());
        TRY_ASSIGN(path, cgroup_root());
        break;
      }
    }
    add(mount.name, path);
    return {};
  }

  // Another runtime's names: destinations as config.json has them, or where its links lead; /dev/null for what is masked.
  void name_all() {
    for (const Prepared& prepared : prepared_) {
      if (prepared.planned->maker == runtime::Maker::bind) add("/" + prepared.planned->target, prepared.path);
    }
    for (const std::string_view device : kDefaultDevices) add(std::string(device), std::string(device));
    for (const oci::Device& device : spec_.linux_.devices) add(device.path, device.path);
    for (const std::string& path : spec_.linux_.masked_paths) add(clean_absolute(path), "/dev/null");
  }

  Result<void> check_cgroup_bind() const {
    const bool asked =
        std::ranges::any_of(plan_.mounts, [](const PlannedMount& planned) { return planned.maker == runtime::Maker::cgroup_bind; });
    if (!asked) return fail(Code::failed_precondition, "config.json has no mount of the host's cgroups");
    return {};
  }

  static Result<std::string> cgroup_root() {
    TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
    return root.path;
  }

  const Prepared* find(const std::string& target) const {
    const Prepared* out = nullptr;
    for (const Prepared& prepared : prepared_) {
      if (prepared.planned->target == target && prepared.planned->maker == runtime::Maker::bind) out = &prepared;
    }
    return out;
  }

  bool is_device(const std::string& path) const {
    if (std::ranges::find(kDefaultDevices, path) != std::end(kDefaultDevices)) return true;
    return std::ranges::any_of(spec_.linux_.devices, [&](const oci::Device& device) { return device.path == path; });
  }

  const RestoreMountsRequest& request_;
  const oci::Spec& spec_;
  MountPlan plan_;
  RestoreMounts out_;
  UniqueFd root_;
  std::vector<Prepared> prepared_;
  std::set<std::string> names_;
  int next_ = 0;
};

}  // namespace

Result<void> enter_private_mounts(MomentaryMounts& mounts, const std::string& scratch) {
  TRY(mounts.enter("criu", MS_SLAVE));  // the host's mounts end here when they end there
  TRY_ASSIGN(const sys::DetachedMount cover, sys::make_filesystem("tmpfs", std::vector<sys::FilesystemOption>{{"mode", "700"}}));
  TRY_ASSIGN(const UniqueFd target, sys::open_path(scratch, O_PATH | O_DIRECTORY));
  return sys::attach(cover, target);
}

Result<RestoreMounts> make_restore_mounts(const RestoreMountsRequest& request) {
  return Maker(request).make();
}

}  // namespace slipway::runtime::criu
