// Starting, waking and replacing the log writer.
#include "monitor/log_writer.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <new>

#include "base/log.h"
#include "monitor/task.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/process_stat.h"

namespace slipway::monitor {
namespace {

constexpr MonotonicNanos kRestartPause = 1'000'000'000;
constexpr std::uint64_t kTrimAfter = 256 * 1024;  // bytes through an empty ring before its pages are given back

Result<UniqueFd> make_eventfd() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return fail_errno(errno, "make an eventfd");
  return fd;
}

}  // namespace

LogWriter::~LogWriter() {
  if (region_ == nullptr) return;
  for (LogRing& ring : region_->rings)
    if (ring.state == LogRing::kOpen) ring.state = LogRing::kClosing;
  wake();  // it ends when all is written, and we are gone
  moved_watch_.stop();
  pidfd_watch_.stop();
  (void)::munmap(static_cast<void*>(region_), sizeof(LogRegion));
}

Result<void> LogWriter::set_up() {
  if (region_ != nullptr) return {};
  TRY_ASSIGN(wake_, make_eventfd());
  TRY_ASSIGN(moved_, make_eventfd());
  void* const memory = ::mmap(nullptr, sizeof(LogRegion), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return fail_errno(errno, "map the logs' rings");
  region_ = static_cast<LogRegion*>(memory);  // all zero: every ring is free
  // Containers' runners are forks of the monitor too, and have no business with logs.
  (void)::madvise(memory, sizeof(LogRegion), MADV_DONTFORK);
  return moved_watch_.start(loop_, moved_, EPOLLIN, [this](std::uint32_t) {
    eventfd_t count = 0;
    (void)::eventfd_read(moved_.get(), &count);
    trim();
    progress_();
  });
}

Result<void> LogWriter::start() {
  TRY_ASSIGN(const UniqueFd self, sys::pidfd_open(::getpid()));
  (void)::madvise(static_cast<void*>(region_), sizeof(LogRegion), MADV_DOFORK);
  const pid_t child = ::fork();
  if (child == 0) {
    close_all_but({wake_.get(), moved_.get(), self.get()});
    (void)::prctl(PR_SET_NAME, "slipway-logs");
    write_logs(*region_, wake_, moved_, self);
  }
  const int err = errno;
  (void)::madvise(static_cast<void*>(region_), sizeof(LogRegion), MADV_DONTFORK);
  if (child < 0) return fail_errno(err, "fork the log writer");
  started_at_ = now_monotonic();
  pid_ = child;
  TRY_ASSIGN(pidfd_, sys::pidfd_open(child));
  return pidfd_watch_.start(loop_, pidfd_, EPOLLIN, [this](std::uint32_t) { on_end(); });
}

void LogWriter::on_end() {
  pidfd_watch_.stop();
  (void)sys::try_wait_pidfd(pidfd_);  // or the loop's reaper was first
  pidfd_.reset();
  log::warn("the log writer has died; the next one goes on where it was");
  restart_at_ = std::max(now_monotonic(), started_at_ + kRestartPause);
}

void LogWriter::expire(MonotonicNanos now) {
  if (restart_at_ == 0 || restart_at_ > now) return;
  restart_at_ = 0;
  if (const auto started = start(); !started.ok()) {
    log::error("{}", started.error().message);
    restart_at_ = now + kRestartPause;
  }
}

Result<LogRing*> LogWriter::add(const std::string& path) {
  if (path.size() >= PATH_MAX) return fail(Code::invalid_argument, "the log's path is longer than {} bytes", PATH_MAX - 1);
  TRY(set_up());
  if (!pidfd_.valid() && restart_at_ == 0) TRY(start());
  for (LogRing& ring : region_->rings) {
    const std::uint32_t state = ring.state;
    if (state != LogRing::kFree && state != LogRing::kDone) continue;
    ring.head = ring.tail = ring.reopen_at = ring.write_size = 0;
    ring.reopen_wanted = ring.reopened = ring.waiting = 0;
    ring.reopen_errno = ring.lost_errno = 0;
    ring.lost = ring.file_size = 0;
    std::memcpy(ring.path, path.c_str(), path.size() + 1);
    ring.state = LogRing::kOpen;
    return &ring;
  }
  return fail(Code::resource_exhausted, "the pod has {} logs open already", LogRegion::kRings);
}

bool LogWriter::stuck() const {
  if (!pidfd_.valid()) return true;
  const auto text = sys::read_file(fmt::format("/proc/{}/stat", pid_), 4096);
  return !text.ok() || sys::stat_field(text.value(), 3) != "R";
}

void LogWriter::wake() {
  if (region_ != nullptr && region_->sleeping.exchange(0) != 0) (void)::eventfd_write(wake_.get(), 1);
}

bool LogWriter::idle() const {
  if (region_ == nullptr) return true;
  return std::all_of(std::begin(region_->rings), std::end(region_->rings), [](const LogRing& ring) {
    const std::uint32_t state = ring.state;
    return state == LogRing::kFree || state == LogRing::kDone || (state == LogRing::kOpen && ring.head == ring.tail);
  });
}

// An empty ring has no reader: its pages can go. We are the only one who fills it.
void LogWriter::trim() {
  for (LogRing& ring : region_->rings) {
    const std::uint32_t state = ring.state;
    const std::uint64_t head = ring.head;
    if (state != LogRing::kDone && (state != LogRing::kOpen || head != ring.tail)) continue;
    if (head < kTrimAfter || ring.reopen_wanted != ring.reopened) continue;
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto data = reinterpret_cast<std::uintptr_t>(ring.data);
    const auto begin = (data + page - 1) & ~(page - 1);
    const auto end = (data + LogRing::kSize) & ~(page - 1);
    (void)::madvise(ring.data + (begin - data), end - begin, MADV_REMOVE);
  }
}

}  // namespace slipway::monitor
