// Processes of a cgroup and its end: listing, waiting, freezing, killing, removing.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>

#include "base/time.h"
#include "cgroups/cgroup.h"
#include "cgroups/files.h"
#include "sys/file.h"
#include "sys/process.h"

namespace slipway::cgroups {
namespace {

constexpr MonotonicNanos kNanosPerMilli = 1'000'000;

constexpr int kLook = 10, kOldKernelPatience = 1000;  // milliseconds

// Time is an argument: a negative one never ends.
class Deadline {
 public:
  explicit Deadline(int timeout_ms) : end_(timeout_ms < 0 ? -1 : now_monotonic() + timeout_ms * kNanosPerMilli) {}
  int left_ms() const {
    if (end_ < 0) return -1;
    return static_cast<int>(std::clamp<MonotonicNanos>((end_ - now_monotonic() + kNanosPerMilli - 1) / kNanosPerMilli, 0, INT32_MAX));
  }
  int left_ms(int most) const {
    const int left = left_ms();
    return left < 0 ? most : std::min(left, most);
  }

 private:
  MonotonicNanos end_;
};

// What a removed cgroup's files say.
bool is_gone(const Error& error) {
  return error.sys_errno == ENOENT || error.sys_errno == ENODEV;
}

Result<std::vector<pid_t>> read_processes(FdRef dir) {
  TRY_ASSIGN(const std::string text, sys::read_file_at(dir, "cgroup.procs", kLargeFile));
  std::vector<pid_t> out;
  const char* p = text.data();
  const char* end = p + text.size();
  while (p < end) {
    pid_t pid = 0;
    const auto r = std::from_chars(p, end, pid);
    if (r.ec != std::errc()) return fail(Code::internal, "cgroup.procs holds what is not a number");
    // 0: a process of another PID namespace, which has no name here.
    if (pid > 0) out.push_back(pid);
    p = r.ptr + (r.ptr < end ? 1 : 0);
  }
  return out;
}

// Every cgroup of the subtree, by its path beneath `dir`, parents first. Those that vanish meanwhile are left out.
Result<std::vector<std::string>> subtree(FdRef dir) {
  std::vector<std::string> out = {"."};
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto one = sys::open_beneath(dir, out[i], O_RDONLY | O_DIRECTORY);
    if (!one.ok() && is_gone(one.error())) continue;
    if (!one.ok()) return one.error();
    TRY_ASSIGN(const std::vector<std::string> names, children(one.value()));
    const std::string base = out[i];
    for (const std::string& name : names) out.push_back(base + "/" + name);
  }
  return out;
}

// Removes the deepest first, with two descriptors however deep it is: a container may nest cgroups to exhaust ours. ENOENT is ok, the first
// other refusal is returned.
Result<void> remove_children(FdRef dir) {
  std::vector<std::string> names;  // from `dir` down to `current`
  TRY_ASSIGN(UniqueFd current, sys::open_at(dir, ".", O_RDONLY | O_DIRECTORY));
  for (;;) {
    TRY_ASSIGN(std::string child, first_child(current));
    if (!child.empty()) {
      auto next = sys::open_at(current, child, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (!next.ok() && is_gone(next.error())) continue;
      if (!next.ok()) return std::move(next).error();
      current = std::move(next).take();
      names.push_back(std::move(child));
      continue;
    }
    if (names.empty()) return {};
    TRY_ASSIGN(UniqueFd parent, sys::open_at(current, "..", O_RDONLY | O_DIRECTORY));
    if (::unlinkat(parent.get(), names.back().c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
      return fail_errno(errno, "remove the cgroup '{}'", names.back());
    current = std::move(parent);
    names.pop_back();
  }
}

// The name still stands for this very directory.
bool is_same(FdRef parent, const std::string& name, FdRef dir) {
  struct stat a {};
  struct stat b {};
  return ::fstatat(parent.get(), name.c_str(), &a, AT_SYMLINK_NOFOLLOW) == 0 && ::fstat(dir.get(), &b) == 0 && a.st_ino == b.st_ino &&
         a.st_dev == b.st_dev;
}

Result<void> remove_once(FdRef dir, const std::string& path) {
  TRY(remove_children(dir));
  const std::string name = path.substr(path.rfind('/') + 1);
  auto parent = sys::open_at(dir, "..", O_RDONLY | O_DIRECTORY);
  if (!parent.ok() && is_gone(parent.error())) return {};
  if (!parent.ok()) return std::move(parent).error();
  if (!is_same(parent.value(), name, dir)) return {};  // gone, or another one's by now
  if (::unlinkat(parent.value().get(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    return fail_errno(errno, "remove the cgroup {}", path);
  return {};
}

}  // namespace

Result<std::vector<pid_t>> Cgroup::processes() const {
  return read_processes(dir_).context("{}", path_);
}

Result<std::vector<pid_t>> Cgroup::processes_below() const {
  TRY_ASSIGN(const std::vector<std::string> paths, subtree(dir_));
  std::vector<pid_t> out;
  for (const std::string& path : paths) {
    const auto dir = sys::open_beneath(dir_, path, O_RDONLY | O_DIRECTORY);
    if (!dir.ok() && is_gone(dir.error())) continue;
    if (!dir.ok()) return dir.error();
    const auto pids = read_processes(dir.value());
    if (!pids.ok() && pids.error().sys_errno == EOPNOTSUPP) continue;  // threaded: its processes are listed by the domain above
    if (!pids.ok() && is_gone(pids.error())) continue;
    if (!pids.ok()) return pids.error();
    out.insert(out.end(), pids.value().begin(), pids.value().end());
  }
  return out;
}

Result<UniqueFd> Cgroup::open_events() const {
  return sys::open_at(dir_, "cgroup.events", O_RDONLY);
}

// cgroup.events is POLLPRI after each change; read first and again after each poll, no change is missed.
Result<bool> Cgroup::wait_event(std::string_view key, bool wanted, int timeout_ms) const {
  const Deadline deadline(timeout_ms);
  TRY_ASSIGN(const UniqueFd fd, open_events());
  for (;;) {
    TRY_ASSIGN(const std::string text, reread(fd));
    TRY_ASSIGN(const bool value, event_value(text, key));
    if (value == wanted) return true;
    pollfd poll{fd.get(), POLLPRI, 0};
    const int left = deadline.left_ms();
    const int n = sys::retry_eintr([&] { return ::poll(&poll, 1, left); });
    if (n < 0) return fail_errno(errno, "wait for {}/cgroup.events", path_);
    if (n == 0 && left == 0) return false;
  }
}

Result<bool> Cgroup::populated() const {
  const auto text = sys::read_file_at(dir_, "cgroup.events", kSmallFile);
  if (!text.ok() && is_gone(text.error())) return false;
  if (!text.ok()) return text.error();
  return event_value(text.value(), "populated");
}

Result<bool> Cgroup::wait_empty(int timeout_ms) const {
  auto waited = wait_event("populated", false, timeout_ms);
  if (!waited.ok() && is_gone(waited.error())) return true;
  return waited;
}

Result<bool> Cgroup::frozen() const {
  TRY_ASSIGN(const std::string text, sys::read_file_at(dir_, "cgroup.events", kSmallFile));
  return event_value(text, "frozen");
}

Result<void> Cgroup::set_frozen(bool wanted, int timeout_ms) const {
  TRY(sys::write_file_at(dir_, "cgroup.freeze", wanted ? "1" : "0").context("{} {}", wanted ? "freeze" : "thaw", path_));
  TRY_ASSIGN(const bool done, wait_event("frozen", wanted, timeout_ms));
  if (done) return {};
  return fail(Code::deadline_exceeded, "{} {}: not done after {} ms", wanted ? "freeze" : "thaw", path_, timeout_ms);
}

Result<void> Cgroup::freeze(int timeout_ms) const {
  return set_frozen(true, timeout_ms);
}
Result<void> Cgroup::thaw(int timeout_ms) const {
  return set_frozen(false, timeout_ms);
}

Result<void> Cgroup::kill() const {
  auto written = sys::write_file_at(dir_, "cgroup.kill", "1");
  if (written.ok()) return {};
  if (!is_gone(written.error())) return std::move(written).error().within("kill {}", path_);
  // No such file: the cgroup is gone, or the kernel is older than 5.14. REMOVE-WHEN: kernel >= 5.14.
  if (::faccessat(dir_.get(), "cgroup.procs", F_OK, 0) != 0) return {};
  TRY(kill_one_by_one(kOldKernelPatience));
  TRY_ASSIGN(const bool alive, populated());
  if (alive) return fail(Code::internal, "kill {}: processes are left after {} ms", path_, kOldKernelPatience);
  return {};
}

Result<void> Cgroup::signal_each(int signal) const {
  constexpr std::size_t kHeld = 64;  // descriptors
  TRY_ASSIGN(const std::vector<pid_t> pids, processes_below());
  Result<void> result;
  for (std::size_t done = 0; done < pids.size(); done += kHeld) {
    std::vector<std::pair<pid_t, UniqueFd>> held;
    for (std::size_t i = done; i < std::min(pids.size(), done + kHeld); ++i) {
      auto pidfd = sys::pidfd_open(pids[i]);
      if (pidfd.ok()) held.emplace_back(pids[i], std::move(pidfd).take());
    }
    // A number may have gone to a stranger between reading and opening: only what is listed again, now that it is held, is ours.
    TRY_ASSIGN(std::vector<pid_t> again, processes_below());
    std::sort(again.begin(), again.end());
    for (const auto& [pid, pidfd] : held) {
      if (!std::binary_search(again.begin(), again.end(), pid)) continue;
      auto sent = sys::pidfd_send_signal(pidfd, signal);
      if (result.ok()) result = std::move(sent);
    }
  }
  return result;
}

Result<void> Cgroup::kill_one_by_one(int timeout_ms) const {
  const Deadline deadline(timeout_ms);
  // Frozen, nobody forks away; a frozen process still dies of SIGKILL.
  (void)sys::write_file_at(dir_, "cgroup.freeze", "1");
  Result<void> sent;
  for (;;) {
    sent = signal_each(SIGKILL);
    const auto empty = wait_empty(deadline.left_ms(kLook));
    if ((empty.ok() && empty.value()) || deadline.left_ms() == 0) break;
  }
  (void)sys::write_file_at(dir_, "cgroup.freeze", "0");
  return sent;
}

Result<bool> Cgroup::kill_and_wait(int timeout_ms) const {
  constexpr int kMostDieWithin = 100;
  const Deadline deadline(timeout_ms);
  TRY(kill());
  TRY_ASSIGN(const bool empty, wait_empty(deadline.left_ms(kMostDieWithin)));
  if (empty) return true;
  (void)kill_one_by_one(deadline.left_ms());  // whom it leaves the wait tells
  return wait_empty(deadline.left_ms());
}

Result<void> Cgroup::remove(int timeout_ms) const {
  const Deadline deadline(timeout_ms);
  for (;;) {
    auto removed = remove_once(dir_, path_);
    if (removed.ok() || is_gone(removed.error())) return {};
    if (removed.error().sys_errno != EBUSY) return removed;
    // Zombies and processes on their way out still count. Made anew meanwhile, a child is found in the next round.
    const int left = deadline.left_ms();
    TRY_ASSIGN(const bool empty, wait_empty(left));
    if (!empty) return fail(Code::failed_precondition, "remove the cgroup {}: it still has processes", path_);
    if (left == 0) return removed;
  }
}

Result<void> Cgroup::remove_part(const std::string& name) const {
  if (::unlinkat(dir_.get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  const auto part = open_part(name);  // it may have children
  if (!part.ok()) return is_gone(part.error()) ? Result<void>() : part.error();
  return part.value().remove(0);
}

Result<void> Cgroup::kill_and_remove(const Root& root, std::string_view path, int timeout_ms) {
  // A path that got lost must not end the whole machine.
  if (path.find_first_not_of('/') == std::string_view::npos) return fail(Code::invalid_argument, "the root cgroup is no container's");
  // Most often everybody has left already, and then one call does it: the kernel removes no cgroup with processes or children.
  TRY_ASSIGN(const std::string beneath, relative_path(path));
  if (::unlinkat(root.dir.get(), beneath.c_str(), AT_REMOVEDIR) == 0) return {};
  auto cgroup = open(root, path);
  if (!cgroup.ok() && is_gone(cgroup.error())) return {};
  if (!cgroup.ok()) return std::move(cgroup).error();
  const Deadline deadline(timeout_ms);
  TRY(cgroup.value().kill_and_wait(timeout_ms));
  return cgroup.value().remove(deadline.left_ms());
}

Result<void> Cgroup::kill_and_empty(const Root& root, std::string_view path, int timeout_ms) {
  if (path.find_first_not_of('/') == std::string_view::npos) return fail(Code::invalid_argument, "the root cgroup is no container's");
  auto opened = open(root, path);
  if (!opened.ok() && is_gone(opened.error())) return {};
  if (!opened.ok()) return std::move(opened).error();
  const Cgroup& cgroup = opened.value();
  TRY_ASSIGN(const bool empty, cgroup.kill_and_wait(timeout_ms));
  if (!empty) return fail(Code::failed_precondition, "empty the cgroup {}: it still has processes", cgroup.path_);
  TRY_ASSIGN(const std::vector<std::string> names, sys::list_directory(cgroup.dir_));
  for (const std::string& name : names) {
    const auto child = cgroup.open_part(name);  // files are none
    if (child.ok()) TRY(child.value().remove(timeout_ms));
  }
  return {};
}

}  // namespace slipway::cgroups
