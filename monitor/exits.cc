// Exit records on disk and the reading of memory.events.
#include "monitor/exits.h"

#include <fcntl.h>
#include <unistd.h>

#include "sys/file.h"

namespace slipway::monitor {
namespace {

constexpr std::size_t kEventsLimit = 4096;

std::string record_directory(const std::string& pod_directory, const std::string& id) {
  return pod_directory + "/containers/" + id;
}

// How often this very cgroup's own limit was hit.
std::uint64_t local_ooms(const cgroups::Cgroup& cgroup) {
  const auto text = sys::read_file_at(cgroup.dir(), "memory.events.local", kEventsLimit);
  if (!text.ok()) return 0;
  const auto events = cgroups::parse_memory_events(text.value());
  return events.ok() ? events.value().oom : 0;
}

}  // namespace

ExitRecord make_exit_record(const sys::ExitStatus& status, UnixNanos finished_at) {
  ExitRecord record;
  record.set_code(status.code);
  record.set_signal(static_cast<std::uint32_t>(status.signal));
  record.set_finished_at(finished_at);
  return record;
}

Result<void> write_exit_record(const std::string& pod_directory, const std::string& id, const ExitRecord& record) {
  const std::string path = record_directory(pod_directory, id);
  TRY(sys::make_directories(path, 0700));
  TRY_ASSIGN(const UniqueFd dir, sys::open_path(path, O_RDONLY | O_DIRECTORY));
  return sys::replace_file(dir, "exit", record.SerializeAsString(), 0600);
}

Result<void> remove_exit_record(const std::string& pod_directory, const std::string& id) {
  const std::string path = record_directory(pod_directory, id);
  if (::unlink((path + "/exit").c_str()) != 0 && errno != ENOENT) return fail_errno(errno, "remove '{}/exit'", path);
  (void)::rmdir(path.c_str());  // it stays where it holds the bundle too: that is slipwayd's
  return {};
}

Result<void> OomWatch::start(Loop& loop, const cgroups::Cgroup& container, const cgroups::Cgroup* pod, Callback callback) {
  auto events = container.open_memory_events();
  if (!events.ok()) {
    if (events.error().code == Code::not_found) return {};  // no memory controller: no memory limit either
    return std::move(events).error();
  }
  events_ = std::move(events).take();
  callback_ = std::move(callback);
  if (pod != nullptr) pod_ooms_ = local_ooms(*pod);
  const auto now = cgroups::read_memory_events(events_);  // arms the poll
  if (now.ok()) kills_ = now.value().oom_kill;
  return watch_.start(loop, events_, EPOLLPRI, [this](std::uint32_t) { read(); });
}

void OomWatch::read() {
  const auto events = cgroups::read_memory_events(events_);
  if (!events.ok()) {
    unread_ = true;
    watch_.stop();  // the cgroup is gone
    return;
  }
  if (events.value().oom_kill <= kills_) return;
  kills_ = events.value().oom_kill;
  callback_(kills_);
}

void OomWatch::stop(const cgroups::Cgroup& container, const cgroups::Cgroup* pod) {
  if (!events_) return;
  read();
  watch_.stop();
  events_.reset();
  if (kills_ == 0) return;
  const bool own = local_ooms(container) > 0;
  if (!own && pod != nullptr && local_ooms(*pod) > pod_ooms_)
    where_ = Where::pod;
  else if (own || unread_)
    where_ = Where::container;
}

void OomWatch::presume(const cgroups::Cgroup& pod, std::uint64_t kills) {
  kills_ += kills;
  where_ = local_ooms(pod) > pod_ooms_ ? Where::pod : Where::container;
}

}  // namespace slipway::monitor
