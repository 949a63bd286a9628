// inotify on the directories, or on what is there of the way to them.
#include "network/readiness.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace slipway::network {
namespace {

constexpr std::uint32_t kInside = IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB;
constexpr std::uint32_t kItself = IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

// The directory, or the nearest one above it that exists.
int watch_nearest(int notify, std::string path) {
  for (;;) {
    const int watch = ::inotify_add_watch(notify, path.c_str(), kInside | kItself);
    if (watch >= 0 || path == "/" || (errno != ENOENT && errno != ENOTDIR)) return watch;
    path.erase(std::max<std::size_t>(path.find_last_of('/'), 1));
  }
}

}  // namespace

Result<std::unique_ptr<Readiness>> Readiness::watch(std::vector<std::string> directories, std::function<engine::Condition()> look) {
  UniqueFd notify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!notify)
    log::warn("inotify: {}: changes of {} are seen after {} s", std::generic_category().message(errno), directories.front(),
              kAnyway.count());
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return fail_errno(errno, "make an eventfd");
  return std::unique_ptr<Readiness>(new Readiness(std::move(directories), std::move(look), std::move(notify), std::move(stop)));
}

Readiness::Readiness(std::vector<std::string> directories, std::function<engine::Condition()> look, UniqueFd notify, UniqueFd stop)
    : directories_(std::move(directories)), look_(std::move(look)), notify_(std::move(notify)), stop_(std::move(stop)) {
  Readiness::look();
  thread_ = std::thread([this] { run(); });
}

Readiness::~Readiness() {
  (void)::eventfd_write(stop_.get(), 1);
  thread_.join();
}

engine::Condition Readiness::now() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

// Watches first: what changes after the look wakes the thread.
void Readiness::look() {
  const std::lock_guard looking(looking_);
  set_watches();
  engine::Condition found = look_();
  const std::lock_guard lock(mutex_);
  now_ = std::move(found);
}

void Readiness::set_watches() {
  if (!notify_) return;
  std::set<int> wanted;
  for (const std::string& directory : directories_)
    if (const int watch = watch_nearest(notify_.get(), directory); watch >= 0) wanted.insert(watch);
  for (const int old : watches_)
    if (!wanted.contains(old)) (void)::inotify_rm_watch(notify_.get(), old);
  watches_ = std::move(wanted);
}

void Readiness::run() {
  for (;;) {
    pollfd polled[] = {{stop_.get(), POLLIN, 0}, {notify_.get(), POLLIN, 0}};
    const int timeout = static_cast<int>(std::chrono::milliseconds(kAnyway).count());
    if (::poll(polled, 2, timeout) < 0 && errno != EINTR)
      return log::error("watching CNI's directories: {}", std::generic_category().message(errno));
    if (polled[0].revents != 0) return;
    char events[4096];
    while (notify_ && ::read(notify_.get(), events, sizeof events) > 0) continue;
    look();
  }
}

}  // namespace slipway::network
