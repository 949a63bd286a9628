// Appending entries to a container's log file.
#include "monitor/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <span>

#include "monitor/log_format.h"
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

// The number of bytes that are in the file; less than all = errno says why.
std::size_t write_some(int fd, std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = sys::retry_eintr([&] { return ::write(fd, text.data() + done, text.size() - done); });
    if (n < 0) return done;
    if (n == 0) {
      errno = ENOSPC;
      return done;
    }
    done += static_cast<std::size_t>(n);
  }
  return done;
}

// Takes the torn end of the last write away: readers shall see whole entries only. Nobody else writes to this file.
void cut(int fd, std::size_t torn) {
  const off_t end = ::lseek(fd, 0, SEEK_CUR);
  if (torn > 0 && end >= static_cast<off_t>(torn)) (void)!::ftruncate(fd, end - static_cast<off_t>(torn));
}

std::uint64_t count_entries(std::string_view entries) {
  return static_cast<std::uint64_t>(std::count(entries.begin(), entries.end(), '\n'));
}

}  // namespace

std::size_t format_notice(char (&out)[kNoticeSize], UnixNanos time, std::uint64_t lost, const char* reason) {
  format_time(time, std::span<char, kTimeLength>(out, kTimeLength));
  const int n = std::snprintf(out + kTimeLength, kNoticeSize - kTimeLength, " stderr F slipway: %llu log entries were lost here: %s\n",
                              static_cast<unsigned long long>(lost), reason == nullptr ? "unknown" : reason);
  return std::min(kTimeLength + static_cast<std::size_t>(n), kNoticeSize - 1);
}

Result<LogFile> LogFile::open(const std::string& path) {
  LogFile file;
  TRY_ASSIGN(file.fd_, open_log(path));
  file.path_ = path;
  return file;
}

void LogFile::append(std::string_view entries) {
  if (!fd_) return;
  if (lost_ > 0 && !write_notice()) {
    lost_ += count_entries(entries);
    return;
  }
  const std::size_t done = write_some(fd_.get(), entries);
  if (done == entries.size()) return;
  lost_errno_ = errno;
  const std::size_t newline = entries.substr(0, done).rfind('\n');
  const std::size_t whole = newline == std::string_view::npos ? 0 : newline + 1;
  cut(fd_.get(), done - whole);
  lost_ += count_entries(entries.substr(whole));
}

bool LogFile::write_notice() {
  char text[kNoticeSize];
  const std::size_t length = format_notice(text, now_realtime(), lost_, ::strerrordesc_np(lost_errno_));
  const std::size_t done = write_some(fd_.get(), {text, length});
  if (done == length) {
    lost_ = 0;
    return true;
  }
  lost_errno_ = errno;
  cut(fd_.get(), done);
  return false;
}

void LogFile::remember(std::uint64_t lost, int error) {
  lost_ += lost;
  if (lost > 0) lost_errno_ = error;
}

std::uint64_t LogFile::size() const {
  struct stat info {};
  return fd_ && ::fstat(fd_.get(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
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
