// What criu is told of a container that it shall dump.
#include "runtime/criu/dump.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <charconv>
#include <set>

#include "base/log.h"
#include "cgroups/cgroup.h"
#include "runtime/criu/external_mounts.h"
#include "runtime/criu/notes.h"
#include "runtime/criu/session.h"
#include "sys/file.h"
#include "sys/namespace.h"
#include "sys/process.h"

namespace slipway::runtime::criu {
namespace {

constexpr int kEndTimeout = 10'000;   // ms
constexpr int kThawTimeout = 10'000;  // ms
constexpr const char* kLog = "dump.log";
constexpr const char* kConfigAnnotation = "org.criu.config";

const ContainerRecord& record_of(const DumpRequest& request) {
  return *request.record;
}

// A namespace that somebody else keeps is not dumped: its name in the images stands for whatever is given at restore.
Result<void> name_namespaces(const DumpRequest& request, Options& options) {
  for (const oci::Namespace& ns : request.spec->linux_.namespaces) {
    if (ns.path.empty() || (ns.type != oci::NamespaceType::network && ns.type != oci::NamespaceType::pid)) continue;
    const bool network = ns.type == oci::NamespaceType::network;
    const std::string path = fmt::format("/proc/{}/ns/{}", record_of(request).pid, network ? "net" : "pid");
    TRY_ASSIGN(const UniqueFd fd, sys::open_path(path, O_RDONLY));
    TRY_ASSIGN(const unsigned long inode, sys::namespace_id(fd));
    options.external.push_back(network ? fmt::format("net[{}]:{}", inode, kExternalNetwork)
                                       : fmt::format("pid[{}]:{}", inode, kExternalPid));
  }
  return {};
}

Result<void> name_mounts(const DumpRequest& request, Options& options, Notes& notes) {
  TRY_ASSIGN(const MountPlan plan, plan_mounts(*request.spec, record_of(request).bundle));
  TRY_ASSIGN(const MountFacts facts, read_mount_facts(record_of(request).pid));
  TRY_ASSIGN(notes.mounts, find_external_mounts(plan, facts));
  for (ExternalMount& mount : notes.mounts) {
    const std::string point = mount.name;
    // The name that other runtimes give at restore too.
    if (mount.source == Source::device) mount.name = mount.of;
    options.external.push_back(fmt::format("mnt[{}]:{}", point, mount.name));
  }
  return {};
}

std::string link_target(FdRef dir, const std::string& name) {
  char target[PATH_MAX];
  const ssize_t n = ::readlinkat(dir.get(), name.c_str(), target, sizeof target);
  return n < 0 || n == static_cast<ssize_t>(sizeof target) ? "" : std::string(target, static_cast<std::size_t>(n));
}

// "mnt_id:\t123" of /proc/PID/fdinfo/FD.
std::optional<unsigned> mount_of(pid_t pid, const std::string& fd) {
  const auto text = sys::read_file(fmt::format("/proc/{}/fdinfo/{}", pid, fd), 64 << 10);
  constexpr std::string_view kField = "mnt_id:\t";
  const std::size_t at = text.ok() ? text.value().find(kField) : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  unsigned id = 0;
  const char* begin = text.value().data() + at + kField.size();
  const auto [end, error] = std::from_chars(begin, text.value().data() + text.value().size(), id);
  if (error != std::errc{}) return std::nullopt;
  return id;
}

// Files of the host that the container got as standard descriptors and one of its processes still has: by path, in no mount of its own.
class ExternalFiles {
 public:
  ExternalFiles(const std::vector<std::string>& descriptors, const std::set<std::uint64_t>& own) : own_(own) {
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
      if (descriptors[i].starts_with('/')) wanted_.emplace_back(descriptors[i], static_cast<int>(i));
    }
  }

  bool nothing_to_do() const { return wanted_.empty(); }

  void look_at(pid_t pid) {
    const auto dir = sys::open_path(fmt::format("/proc/{}/fd", pid), O_RDONLY | O_DIRECTORY);
    if (!dir.ok()) return;  // ended meanwhile
    const auto names = sys::list_directory(dir.value());
    if (!names.ok()) return;
    for (const std::string& name : names.value()) look_at(pid, dir.value(), name);
  }

  std::vector<ExternalFile> take() { return std::move(found_); }

 private:
  void look_at(pid_t pid, FdRef dir, const std::string& name) {
    const std::string target = link_target(dir, name);
    for (const auto& [path, descriptor] : wanted_) {
      if (path != target) continue;
      struct stat st = {};
      const auto mount = mount_of(pid, name);
      if (!mount || own_.find(*mount) != own_.end() || ::fstatat(dir.get(), name.c_str(), &st, 0) != 0) return;
      const std::string key = fmt::format("file[{:x}:{:x}]", *mount, st.st_ino);
      if (!keys_.insert(key).second) return;
      found_.push_back({key, descriptor, S_ISCHR(st.st_mode) && st.st_rdev == ::makedev(1, 3)});
      return;
    }
  }

  const std::set<std::uint64_t>& own_;
  std::vector<std::pair<std::string, int>> wanted_;
  std::vector<ExternalFile> found_;
  std::set<std::string> keys_;
};

Result<void> name_files(const DumpRequest& request, const cgroups::Cgroup& cgroup, Options& options, Notes& notes) {
  notes.descriptors = record_of(request).descriptors;
  TRY_ASSIGN(const auto lines, sys::read_mountinfo(fmt::format("/proc/{}/mountinfo", record_of(request).pid)));
  std::set<std::uint64_t> own;
  for (const sys::MountLine& line : lines) own.insert(line.id);
  ExternalFiles files(notes.descriptors, own);
  if (files.nothing_to_do()) return {};
  TRY_ASSIGN(const std::vector<pid_t> pids, cgroup.processes_below());
  for (const pid_t pid : pids) files.look_at(pid);
  notes.files = files.take();
  for (const ExternalFile& file : notes.files) options.external.push_back(file.key);
  return {};
}

// Options::cgroup_yard.
Result<std::string> make_cgroup_yard(const std::string& scratch) {
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  const std::string yard = scratch + "/cgroups";
  if (::mkdir(yard.c_str(), 0700) != 0) return fail_errno(errno, "make '{}'", yard);
  if (::symlink(root.path.c_str(), (yard + "/unified").c_str()) != 0) return fail_errno(errno, "make '{}/unified'", yard);
  return yard;
}

Result<void> fill(const DumpRequest& request, const cgroups::Cgroup& cgroup, Options& options, Notes& notes) {
  options.images_dir = request.directories.images;
  options.work_dir = request.directories.work;
  options.log_file = kLog;
  options.config_file = config_file_of(*request.spec, record_of(request).bundle);
  options.pid = record_of(request).pid;
  options.orphan_pts_master = true;
  options.freeze_cgroup = cgroup.path();
  TRY_ASSIGN(options.cgroup_yard, make_cgroup_yard(request.directories.scratch));
  if (request.pre_dump) {
    options.track_memory = true;
    return {};
  }
  options.track_memory = !options.parent_images.empty();
  TRY(name_namespaces(request, options));
  TRY(name_mounts(request, options, notes));
  return name_files(request, cgroup, options, notes);
}

// criu thaws what it froze; if it was killed in between, nobody else would.
void thaw_again(const cgroups::Cgroup& cgroup, bool was_frozen) {
  const auto frozen = cgroup.frozen();
  if (was_frozen || !frozen.ok() || !frozen.value()) return;
  auto thawed = cgroup.thaw(kThawTimeout);
  if (!thawed.ok()) log::warn("{}", thawed.error().message);
}

}  // namespace

std::string config_file_of(const oci::Spec& spec, const std::string& bundle) {
  const auto asked = spec.annotations.find(kConfigAnnotation);
  if (asked != spec.annotations.end())
    return asked->second.empty() || asked->second.starts_with('/') ? asked->second : bundle + "/" + asked->second;
  constexpr const char* kOwn = "/etc/criu/slipway.conf";
  return sys::exists(kOwn) ? kOwn : "/etc/criu/runc.conf";
}

Result<void> dump(const DumpRequest& request) {
  const Directories& directories = request.directories;
  if (!has_new_namespace(*request.spec, oci::NamespaceType::mount))
    return fail(Code::unimplemented, "only a container with a new mount namespace can be checkpointed: what else is mounted is others'");
  if (record_of(request).cgroup.empty()) return fail(Code::failed_precondition, "it has no cgroup, which criu freezes it by");
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  TRY_ASSIGN(const cgroups::Cgroup cgroup, cgroups::Cgroup::open(root, record_of(request).cgroup));
  TRY_ASSIGN(const bool was_frozen, cgroup.frozen());
  Asked asked;
  asked.kind = request.pre_dump ? Kind::single_pre_dump : Kind::dump;
  asked.options = request.options;
  asked.log_dir = directories.work >= 0 ? directories.work : directories.images;
  asked.log_path = directories.log_path + "/" + kLog;
  asked.deadline = request.deadline;
  Notes notes;
  TRY(fill(request, cgroup, asked.options, notes));
  remove_notes(FdRef(directories.images));
  // The images are complete, the container is there: if a note cannot be written, it goes on.
  asked.notified = [&](const Notification& notification) -> Result<void> {
    if (notification.name != "post-dump" || request.pre_dump) return {};
    return write_notes(FdRef(directories.images), notes);
  };
  TRY_ASSIGN(Session session, Session::start({request.program, {}, false, ""}));
  auto dumped = session.ask(asked);
  if (!dumped.ok()) {
    remove_notes(FdRef(directories.images));
    thaw_again(cgroup, was_frozen);
    return std::move(dumped).error();
  }
  if (request.pre_dump || request.options.leave_running) return {};
  TRY_ASSIGN(const bool ended, sys::poll_readable(FdRef(request.pidfd), kEndTimeout));
  if (!ended)
    return fail(Code::deadline_exceeded, "criu has dumped process {}, but it did not end in {} ms", record_of(request).pid, kEndTimeout);
  return {};
}

}  // namespace slipway::runtime::criu
