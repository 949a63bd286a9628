// What criu is told of a container that it shall restore.
#include "runtime/criu/restore.h"

#include <fcntl.h>

#include "runtime/criu/notes.h"
#include "runtime/criu/restore_mounts.h"
#include "runtime/criu/session.h"
#include "runtime/devices.h"
#include "sys/file.h"

namespace slipway::runtime::criu {
namespace {

constexpr const char* kLog = "restore.log";

// Descriptors that criu inherits, with what they are in the images.
class Inheritance {
 public:
  explicit Inheritance(Options& options) : options_(options) {}

  void borrow(const std::string& key, int fd) {
    options_.inherited.push_back({key, kFirstInherited + static_cast<int>(fds_.size())});
    fds_.push_back(fd);
  }
  void own(const std::string& key, UniqueFd fd) {
    borrow(key, fd.get());
    owned_.push_back(std::move(fd));
  }
  const std::vector<int>& fds() const { return fds_; }

 private:
  Options& options_;
  std::vector<int> fds_;
  std::vector<UniqueFd> owned_;
};

// criu joins what is given by path; networks and PIDs come as descriptors in the place of those that were not dumped.
Result<void> give_namespaces(const oci::Spec& spec, Inheritance& inheritance, Options& options) {
  for (const oci::Namespace& ns : spec.linux_.namespaces) {
    if (ns.path.empty()) continue;
    switch (ns.type) {
      case oci::NamespaceType::network:
      case oci::NamespaceType::pid: {
        TRY_ASSIGN(UniqueFd fd, sys::open_path(ns.path, O_RDONLY).context("linux.namespaces"));
        inheritance.own(ns.type == oci::NamespaceType::pid ? kExternalPid : kExternalNetwork, std::move(fd));
        break;
      }
      case oci::NamespaceType::ipc: options.joined.push_back({"ipc", ns.path}); break;
      case oci::NamespaceType::uts: options.joined.push_back({"uts", ns.path}); break;
      case oci::NamespaceType::time: options.joined.push_back({"time", ns.path}); break;
      default:
        return fail(Code::unimplemented,
                    "linux.namespaces: criu cannot restore into '{}': only network, pid, ipc, uts and time can be joined", ns.path);
    }
  }
  return {};
}

Result<void> give_standard(int given, const std::string& key, Inheritance& inheritance) {
  if (given >= 0) {
    inheritance.borrow(key, given);
    return {};
  }
  TRY_ASSIGN(UniqueFd null, open_null(O_RDWR));
  inheritance.own(key, std::move(null));
  return {};
}

Result<void> give_descriptors(const Notes& notes, const Stdio& stdio, Inheritance& inheritance) {
  const int given[3] = {stdio.in, stdio.out, stdio.err};
  for (std::size_t i = 0; i < notes.descriptors.size() && i < 3; ++i) {
    // Two of them may be one pipe, and criu takes the first it finds.
    if (notes.descriptors[i].starts_with("pipe:")) TRY(give_standard(given[i], notes.descriptors[i], inheritance));
  }
  for (const ExternalFile& file : notes.files) TRY(give_standard(file.null ? -1 : given[file.descriptor], file.key, inheritance));
  return {};
}

void fill(const RestoreRequest& request, Options& options) {
  options.images_dir = request.directories.images;
  options.work_dir = request.directories.work;
  options.log_file = kLog;
  options.config_file = config_file_of(*request.spec, request.bundle);
  options.evasive_devices = true;
  options.restore_sibling = true;
  options.orphan_pts_master = true;
  options.cgroup_root = request.cgroup_path.starts_with('/') ? request.cgroup_path : "/" + request.cgroup_path;
}

// criu in a mount namespace of its own, we back in ours: hooks are the host's.
Result<Session> start_session(const RestoreRequest& request, const Notes& notes, Options& options) {
  Inheritance inheritance(options);
  TRY(give_namespaces(*request.spec, inheritance, options));
  TRY(give_descriptors(notes, request.stdio, inheritance));
  MomentaryMounts mounts;
  TRY(enter_private_mounts(mounts, request.directories.scratch));
  TRY_ASSIGN(RestoreMounts made, make_restore_mounts({request.spec, request.bundle, request.directories.scratch, &notes}));
  options.root = made.root;
  options.external = std::move(made.external);
  options.cgroup_yard = made.cgroup_yard;
  fill(request, options);
  Start start;
  start.program = request.program;
  start.inherited = inheritance.fds();
  start.no_new_privileges = request.spec->process && request.spec->process->no_new_privileges;
  start.keyring = request.keyring;
  TRY_ASSIGN(Session session, Session::start(start));
  TRY(mounts.leave());
  // Then criu puts nothing anywhere: what it restores stays where it is itself.
  if (options.cgroup_mode == CgroupMode::ignore) TRY(request.cgroup->add(session.pid()));
  return session;
}

}  // namespace

Result<void> restore(const RestoreRequest& request) {
  TRY_ASSIGN(const Notes notes, read_notes(FdRef(request.directories.images)));
  Asked asked;
  asked.kind = Kind::restore;
  asked.options = request.options;
  asked.log_dir = request.directories.work >= 0 ? request.directories.work : request.directories.images;
  asked.log_path = request.directories.log_path + "/" + kLog;
  UniqueFd console;
  asked.notified = [&](Notification notification) -> Result<void> {
    if (notification.name == "orphan-pts-master") console = std::move(notification.fd);
    if (notification.name == "setup-namespaces") return request.environment_made(notification.pid);
    if (notification.name == "post-restore") return request.restored(notification.pid, std::move(console));
    return {};
  };
  TRY_ASSIGN(Session session, start_session(request, notes, asked.options));
  TRY(session.ask(asked));
  return {};
}

}  // namespace slipway::runtime::criu
