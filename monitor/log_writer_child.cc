// The log writer's life: rings to files, until the monitor is gone and all is written.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <string_view>

#include "monitor/log_file.h"
#include "monitor/log_writer.h"
#include "sys/file.h"

namespace slipway::monitor {
namespace {

constexpr std::size_t kChunk = 64 * 1024;  // more than the longest entry

// Its own copy, so that an entry that wraps is one piece; only touched pages count.
std::array<char, kChunk> chunk;
std::array<LogFile, LogRegion::kRings> files;

// Whole entries from the tail on, up to `end`. Entries end with the only newline that they have.
std::string_view take_chunk(const LogRing& ring, std::uint64_t end) {
  const std::uint64_t tail = ring.tail;
  const std::size_t size = std::min<std::uint64_t>(end - tail, kChunk);
  const std::size_t at = tail % LogRing::kSize;
  const std::size_t first = std::min(size, LogRing::kSize - at);
  std::memcpy(chunk.data(), ring.data + at, first);
  std::memcpy(chunk.data() + first, ring.data, size - first);
  const std::string_view text(chunk.data(), size);
  const std::size_t newline = text.rfind('\n');
  return newline == std::string_view::npos ? text : text.substr(0, newline + 1);
}

void open_file(LogRing& ring, LogFile& file) {
  if (file.valid()) return;
  auto opened = LogFile::open(ring.path);
  if (!opened.ok()) {
    ring.lost_errno = opened.error().sys_errno != 0 ? opened.error().sys_errno : EINVAL;
    return;
  }
  file = std::move(opened).take();
  file.remember(ring.lost, ring.lost_errno);
}

// What the writer before was doing when it was killed: as many bytes as the file has grown by are written.
void recover(LogRing& ring, LogFile& file) {
  const std::uint64_t meant = ring.write_size.exchange(0);
  if (meant == 0) return;
  open_file(ring, file);
  const std::uint64_t size = file.valid() ? file.size() : ring.file_size;
  ring.tail += std::min(meant, size > ring.file_size ? size - ring.file_size : 0);
}

void write_chunk(LogRing& ring, LogFile& file, std::uint64_t end) {
  const std::string_view text = take_chunk(ring, end);
  open_file(ring, file);
  if (file.valid()) {
    file.finish();  // a notice that is due goes before, so that the file grows by the chunk alone
    ring.file_size = file.size();
    ring.write_size = text.size();
    file.append(text);
    ring.lost = file.lost();
    ring.lost_errno = file.lost_errno();
  } else {
    ring.lost += static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
  }
  // In this order: killed in between, the next one finds the file grown by write_size and moves the tail itself.
  ring.tail += text.size();
  ring.write_size = 0;
}

void reopen(LogRing& ring, LogFile& file) {
  const std::uint32_t wanted = ring.reopen_wanted;
  Result<void> done;
  if (file.valid())
    done = file.reopen();
  else
    open_file(ring, file);
  if (!file.valid()) done = Error{Code::internal, ring.lost_errno, {}};
  ring.lost = file.valid() ? file.lost() : ring.lost;
  ring.reopen_errno = done.ok() ? 0 : std::max(done.error().sys_errno, 1);
  ring.reopened = wanted;
}

// One step of one log. False: there is nothing to do.
bool step(LogRing& ring, LogFile& file) {
  const std::uint32_t state = ring.state;
  if (state != LogRing::kOpen && state != LogRing::kClosing) return false;
  if (ring.write_size != 0) recover(ring, file);
  const bool reopening = ring.reopen_wanted != ring.reopened;
  const std::uint64_t head = ring.head;
  const std::uint64_t end = reopening ? std::min<std::uint64_t>(head, ring.reopen_at) : head;
  if (ring.tail < end) {
    write_chunk(ring, file, end);
  } else if (reopening) {
    reopen(ring, file);
  } else if (state == LogRing::kClosing) {
    file.finish();
    file = LogFile();
    ring.state = LogRing::kDone;
  } else {
    file.finish();  // whoever reads the log now shall see what is missing
    ring.lost = file.valid() ? file.lost() : ring.lost;
    return false;
  }
  return true;
}

bool work(LogRegion& region, FdRef moved) {
  bool busy = false;
  bool told = false;
  for (std::size_t i = 0; i < LogRegion::kRings; ++i) {
    if (!step(region.rings[i], files[i])) continue;
    busy = true;
    told = region.rings[i].waiting.exchange(0) != 0 || told;
  }
  if (told) (void)::eventfd_write(moved.get(), 1);
  return busy;
}

bool has_ended(FdRef pidfd) {
  pollfd poll{pidfd.get(), POLLIN, 0};
  return ::poll(&poll, 1, 0) > 0;
}

}  // namespace

void write_logs(LogRegion& region, FdRef wake, FdRef moved, FdRef parent) {
  sigset_t all;
  sigfillset(&all);
  (void)::sigprocmask(SIG_SETMASK, &all, nullptr);
  region.sleeping = 0;
  for (;;) {
    if (work(region, moved)) continue;
    if (has_ended(parent)) ::_exit(0);
    region.sleeping = 1;
    if (work(region, moved)) {  // put there before the monitor could see that we sleep
      region.sleeping = 0;
      continue;
    }
    pollfd waits[2] = {{wake.get(), POLLIN, 0}, {parent.get(), POLLIN, 0}};
    (void)::poll(waits, 2, -1);
    region.sleeping = 0;
    eventfd_t count = 0;
    (void)::eventfd_read(wake.get(), &count);
  }
}

}  // namespace slipway::monitor
