// State directories.
#include "runtime/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/ids.h"
#include "cgroups/cgroup.h"
#include "runtime/passwd.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/process_stat.h"

namespace slipway::runtime {
namespace {

constexpr std::size_t kRecordLimit = 1 << 20;
constexpr std::size_t kConfigLimit = 4 << 20;
constexpr const char* kRecord = "state.json";
constexpr const char* kConfig = "config.json";
constexpr const char* kCgroupKept = "cgroup-kept";
constexpr const char* kFifo = "exec.fifo";
constexpr const char* kHostRoot = "host-root";

Result<UniqueFd> open_root(const std::string& root) {
  auto fd = sys::open_path(root, O_PATH | O_DIRECTORY);
  if (fd.ok() || fd.error().sys_errno != ENOENT) return fd;
  TRY(sys::make_directories(root, 0700));
  return sys::open_path(root, O_PATH | O_DIRECTORY);
}

}  // namespace

Result<StateDir> StateDir::create(const std::string& root, const std::string& id) {
  TRY(check_name("container id", id));
  TRY_ASSIGN(UniqueFd parent, open_root(root));
  if (::mkdirat(parent.get(), id.c_str(), 0700) != 0) {
    if (errno == EEXIST) return fail(Code::already_exists, "container '{}' exists already", id);
    return fail_errno(errno, "make '{}/{}'", root, id);
  }
  TRY_ASSIGN(UniqueFd dir, sys::open_beneath(parent, id, O_RDONLY | O_DIRECTORY));
  return StateDir(root, id, std::move(parent), std::move(dir));
}

Result<StateDir> StateDir::open(const std::string& root, const std::string& id) {
  TRY(check_name("container id", id));
  auto parent = sys::open_path(root, O_PATH | O_DIRECTORY);
  if (!parent.ok()) {
    if (parent.error().sys_errno == ENOENT) return fail(Code::not_found, "container '{}' does not exist", id);
    return std::move(parent).error();
  }
  auto dir = sys::open_beneath(parent.value(), id, O_RDONLY | O_DIRECTORY);
  if (!dir.ok() && dir.error().sys_errno == ENOENT) return fail(Code::not_found, "container '{}' does not exist", id);
  if (!dir.ok()) return std::move(dir).error();
  return StateDir(root, id, std::move(parent).take(), std::move(dir).take());
}

Result<std::vector<std::string>> StateDir::list(const std::string& root) {
  auto dir = sys::open_path(root, O_RDONLY | O_DIRECTORY);
  if (!dir.ok() && dir.error().sys_errno == ENOENT) return std::vector<std::string>{};
  if (!dir.ok()) return std::move(dir).error();
  TRY_ASSIGN(std::vector<std::string> names, sys::list_directory(dir.value()));
  std::ranges::sort(names);
  return names;
}

Result<void> StateDir::lock() const {
  if (sys::retry_eintr([&] { return ::flock(dir_.get(), LOCK_EX); }) != 0) return fail_errno(errno, "lock '{}/{}'", root_, id_);
  return {};
}

void StateDir::unlock() const {
  (void)::flock(dir_.get(), LOCK_UN);
}

Result<std::optional<ContainerRecord>> StateDir::read() const {
  auto text = sys::read_file_at(dir_, kRecord, kRecordLimit);
  if (!text.ok() && text.error().sys_errno == ENOENT) return std::optional<ContainerRecord>{};
  if (!text.ok()) return std::move(text).error();
  TRY_ASSIGN(ContainerRecord record, parse_record(text.value()));
  return std::optional(std::move(record));
}

Result<void> StateDir::write(const ContainerRecord& record) const {
  return sys::replace_file(dir_, kRecord, write_record(record), 0600);
}

Result<std::string> StateDir::read_config() const {
  return sys::read_file_at(dir_, kConfig, kConfigLimit);
}

Result<void> StateDir::write_config(std::string_view text) const {
  TRY_ASSIGN(const UniqueFd fd, sys::open_at(dir_, kConfig, O_WRONLY | O_CREAT | O_EXCL, 0600));
  return sys::write_all(fd, text);
}

Result<std::optional<HostRoot>> StateDir::read_host_root() const {
  auto text = sys::read_file_at(dir_, kHostRoot, kRecordLimit);
  if (!text.ok() && text.error().sys_errno == ENOENT) return std::optional<HostRoot>{};
  if (!text.ok()) return std::move(text).error();
  TRY_ASSIGN(HostRoot root, parse_host_root(text.value()));
  return std::optional(std::move(root));
}

Result<void> StateDir::write_host_root(const HostRoot& root) const {
  return sys::replace_file(dir_, kHostRoot, runtime::write_host_root(root), 0600);
}

Result<void> StateDir::mark_cgroup_kept() const {
  TRY(sys::open_at(dir_, kCgroupKept, O_WRONLY | O_CREAT | O_EXCL, 0600));
  return {};
}

bool StateDir::is_cgroup_kept() const {
  return ::faccessat(dir_.get(), kCgroupKept, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<UniqueFd> StateDir::make_start_fifo() const {
  if (::mkfifoat(dir_.get(), kFifo, 0600) != 0) return fail_errno(errno, "make '{}/{}/{}'", root_, id_, kFifo);
  return sys::open_at(dir_, kFifo, O_RDWR);
}

Result<std::optional<UniqueFd>> StateDir::open_start_fifo() const {
  auto fd = sys::open_at(dir_, kFifo, O_WRONLY | O_NONBLOCK);
  if (fd.ok()) return std::optional(std::move(fd).take());
  if (fd.error().sys_errno == ENXIO || fd.error().sys_errno == ENOENT) return std::optional<UniqueFd>{};
  return std::move(fd).error();
}

Result<UniqueFd> StateDir::open_report_fifo() const {
  return sys::open_at(dir_, kFifo, O_RDONLY | O_NONBLOCK);
}

void StateDir::remove_start_fifo() const {
  (void)::unlinkat(dir_.get(), kFifo, 0);
}

Result<void> StateDir::remove() const {
  // What is known to be there, and with that it is empty; the tree's removal is for what is not known.
  const bool had_record = ::unlinkat(dir_.get(), kRecord, 0) == 0;
  if (!had_record && removed()) return {};  // and its name may be another one's
  (void)::unlinkat(dir_.get(), kConfig, 0);
  if (::unlinkat(parent_.get(), id_.c_str(), AT_REMOVEDIR) == 0) return {};
  return sys::remove_tree(parent_, id_);
}

bool StateDir::removed() const {
  struct stat st = {};
  return ::fstat(dir_.get(), &st) == 0 && st.st_nlink == 0;
}

Result<uid_t> StateDir::owner() const {
  struct stat st = {};
  if (::fstat(dir_.get(), &st) != 0) return fail_errno(errno, "fstat of the state folder of '{}'", id_);
  return st.st_uid;
}

Result<std::optional<std::uint64_t>> process_start_time(pid_t pid) {
  auto text = sys::read_line_file_at(FdRef(AT_FDCWD), fmt::format("/proc/{}/stat", pid));
  if (!text.ok() && (text.error().sys_errno == ENOENT || text.error().sys_errno == ESRCH)) return std::optional<std::uint64_t>{};
  if (!text.ok()) return std::move(text).error();
  constexpr unsigned kState = 3, kStartTime = 22;
  const std::string_view state = sys::stat_field(text.value(), kState);
  if (sys::stat_field(text.value(), kStartTime).empty()) return fail(Code::internal, "/proc/{}/stat has an unknown form", pid);
  if (state == "X") return std::optional<std::uint64_t>{};
  return std::optional<std::uint64_t>(sys::stat_number(text.value(), kStartTime));
}

Result<std::optional<UniqueFd>> open_process(const ContainerRecord& record) {
  auto pidfd = sys::pidfd_open(record.pid);
  if (!pidfd.ok() && (pidfd.error().sys_errno == ESRCH || pidfd.error().sys_errno == EINVAL)) return std::optional<UniqueFd>{};
  if (!pidfd.ok()) return std::move(pidfd).error();
  // First the descriptor, then the question: a number used again in between gives another start time.
  TRY_ASSIGN(const auto start, process_start_time(record.pid));
  if (!start || *start != record.start_time) return std::optional<UniqueFd>{};
  // A zombie in /proc may be the first thread alone: the process ends with its last one.
  TRY_ASSIGN(const bool ended, sys::poll_readable(pidfd.value(), 0));
  if (ended) return std::optional<UniqueFd>{};
  return std::optional(std::move(pidfd).take());
}

Result<bool> is_frozen(const ContainerRecord& record) {
  if (record.cgroup.empty()) return false;
  TRY_ASSIGN(const cgroups::Root root, cgroups::open_root());
  const auto cgroup = cgroups::Cgroup::open(root, record.cgroup);
  if (!cgroup.ok()) return false;
  const auto frozen = cgroup.value().frozen();
  return frozen.ok() && frozen.value();
}

Result<Status> status_of(const StateDir& dir, const ContainerRecord& record) {
  TRY_ASSIGN(const auto process, open_process(record));
  if (!process) return Status::stopped;
  TRY_ASSIGN(const auto waiting, dir.open_start_fifo());
  // Also one that waits for `start`: what is frozen answers nobody, and is to be resumed first.
  TRY_ASSIGN(const bool frozen, is_frozen(record));
  if (frozen) return Status::paused;
  return waiting ? Status::created : Status::running;
}

Result<std::string> owner_of(const StateDir& dir) {
  TRY_ASSIGN(const uid_t uid, dir.owner());
  if (uid == 0) return std::string("root");
  constexpr std::size_t kLargestPasswd = 4 << 20;
  const auto passwd = sys::read_file("/etc/passwd", kLargestPasswd);
  const std::string_view name = passwd.ok() ? passwd_field(passwd.value(), uid, PasswdField::name) : std::string_view();
  return name.empty() ? fmt::format("#{}", uid) : std::string(name);
}

}  // namespace slipway::runtime
