// Appending entries to a container's log file.
#include "monitor/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <span>

#include "sys/file.h"

namespace slipway::monitor {
namespace {

Result<UniqueFd> open_log(const std::string& path) {
  // O_NONBLOCK: a FIFO put there must not stop the monitor; it has no effect on regular files.
  TRY_ASSIGN(UniqueFd fd, sys::open_path(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0640));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "stat log '{}'", path);
  if (!S_ISREG(info.st_mode)) return fail(Code::invalid_argument, "log '{}' is not a regular file", path);
  return fd;
}

// Writes all parts. The number of bytes that are in the file; less than all = errno says why.
std::size_t write_parts(int fd, std::span<iovec> parts) {
  std::size_t done = 0;
  while (!parts.empty()) {
    const ssize_t n =
        sys::retry_eintr([&] { return ::writev(fd, parts.data(), static_cast<int>(std::min<std::size_t>(parts.size(), 1024))); });
    if (n < 0) return done;
    if (n == 0) {
      errno = ENOSPC;
      return done;
    }
    done += static_cast<std::size_t>(n);
    std::size_t left = static_cast<std::size_t>(n);
    while (!parts.empty() && left >= parts.front().iov_len) {
      left -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
    if (!parts.empty()) {
      parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + left;
      parts.front().iov_len -= left;
    }
  }
  return done;
}

// Takes the torn end of the last write away: readers shall see whole entries only. Nobody else writes to this file.
void cut(int fd, std::size_t torn) {
  const off_t end = ::lseek(fd, 0, SEEK_CUR);
  if (torn > 0 && end >= static_cast<off_t>(torn)) (void)!::ftruncate(fd, end - static_cast<off_t>(torn));
}

}  // namespace

Result<LogFile> LogFile::open(const std::string& path) {
  LogFile file;
  TRY_ASSIGN(file.fd_, open_log(path));
  file.path_ = path;
  return file;
}

void LogFile::write(const LogBatch& batch) {
  if (!fd_) return;
  if (lost_ > 0 && !write_notice()) {
    lost_ += batch.entry_count;
    return;
  }
  std::array<iovec, 3 * LogBatch::kEntries> parts;
  std::copy_n(batch.parts.begin(), batch.part_count, parts.begin());
  const std::size_t done = write_parts(fd_.get(), std::span(parts.data(), batch.part_count));
  if (done == batch.bytes()) return;
  lost_errno_ = errno;
  std::size_t whole = 0;
  while (whole < batch.entry_count && batch.ends[whole] <= done) ++whole;
  cut(fd_.get(), done - (whole == 0 ? 0 : batch.ends[whole - 1]));
  lost_ += batch.entry_count - whole;
}

bool LogFile::write_notice() {
  std::array<char, 256> text;
  format_time(now_realtime(), std::span<char, kTimeLength>(text.data(), kTimeLength));
  const int n =
      std::snprintf(text.data() + kTimeLength, text.size() - kTimeLength, " stderr F slipway: %llu log entries were lost here: %s\n",
                    static_cast<unsigned long long>(lost_), ::strerrordesc_np(lost_errno_));
  const std::size_t length = kTimeLength + static_cast<std::size_t>(n);
  iovec part{text.data(), length};
  const std::size_t done = write_parts(fd_.get(), std::span(&part, 1));
  if (done == length) {
    lost_ = 0;
    return true;
  }
  lost_errno_ = errno;
  cut(fd_.get(), done);
  return false;
}

Result<void> LogFile::reopen() {
  if (!fd_) return {};
  TRY_ASSIGN(UniqueFd fd, open_log(path_));
  finish();  // what was lost belongs into the old file, if it takes it
  fd_ = std::move(fd);
  return {};
}

void LogFile::finish() {
  if (fd_ && lost_ > 0) (void)write_notice();
}

}  // namespace slipway::monitor
