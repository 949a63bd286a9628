// Reading CRI log files.
#include "cli/container_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <array>
#include <deque>

namespace slipway::cli {
namespace {

constexpr std::size_t kLineLimit = 1 << 20;
using Buffer = std::array<char, 64 << 10>;

}  // namespace

Result<LogLine> parse_log_line(std::string_view line) {
  const auto field = [&]() {
    const auto end = line.find(' ');
    const std::string_view out = line.substr(0, end);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    return out;
  };
  LogLine out;
  out.time = field();
  const std::string_view stream = field();
  const std::string_view tags = field();
  if (stream != "stdout" && stream != "stderr") return fail(Code::data_loss, "the log has a line without a stream");
  const std::string_view first = tags.substr(0, tags.find(':'));  // more tags may follow; readers ignore what they do not know
  if (first != "P" && first != "F") return fail(Code::data_loss, "the log has a line with the tag '{}', which is neither P nor F", first);
  out.is_stderr = stream == "stderr";
  out.partial = first == "P";
  out.content = line;
  return out;
}

Result<LogReader> LogReader::open(std::string path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return fail_errno(errno, "open the log {}", path);
  LogReader reader(std::move(path), std::move(fd), UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)));
  reader.watch();
  return reader;
}

void LogReader::watch() {
  if (!notify_) return;
  if (watch_ >= 0) (void)::inotify_rm_watch(notify_.get(), watch_);
  watch_ = ::inotify_add_watch(notify_.get(), path_.c_str(), IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF);
}

Result<void> LogReader::seek_tail(std::size_t lines) {
  std::deque<off_t> starts;  // of the last whole lines; pieces tagged P belong to the line that ends with F
  off_t offset = 0, start = 0;
  std::string head;  // enough of a physical line to see its tag
  Buffer buffer;
  for (;;) {
    const auto n = ::pread(fd_.get(), buffer.data(), buffer.size(), offset);
    if (n < 0) return fail_errno(errno, "read the log {}", path_);
    if (n == 0) break;
    for (ssize_t i = 0; i < n; ++i) {
      if (buffer[static_cast<std::size_t>(i)] != '\n') {
        if (head.size() < 128) head += buffer[static_cast<std::size_t>(i)];
        continue;
      }
      const auto line = parse_log_line(head);
      head.clear();
      if (line.ok() && line.value().partial) continue;
      starts.push_back(start);
      if (starts.size() > lines) starts.pop_front();
      start = offset + i + 1;
    }
    offset += n;
  }
  const off_t from = starts.empty() ? start : starts.front();
  if (::lseek(fd_.get(), from, SEEK_SET) < 0) return fail_errno(errno, "seek in the log {}", path_);
  return {};
}

Result<bool> LogReader::drain(const OnLine& on_line) {
  bool any = false;
  Buffer buffer;
  for (;;) {
    const auto n = ::read(fd_.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(errno, "read the log {}", path_);
    if (n == 0) return any;
    pending_.append(buffer.data(), static_cast<std::size_t>(n));
    std::size_t start = 0;
    for (std::size_t end = 0; (end = pending_.find('\n', start)) != std::string::npos; start = end + 1) {
      TRY_ASSIGN(const LogLine line, parse_log_line(std::string_view(pending_).substr(start, end - start)));
      TRY(on_line(line));
      any = true;
    }
    pending_.erase(0, start);
    if (pending_.size() > kLineLimit) return fail(Code::data_loss, "the log {} has a line of more than {} bytes", path_, kLineLimit);
  }
}

// The kubelet renames the file and has a new one opened at its path.
bool LogReader::rotated() const {
  struct stat ours = {}, theirs = {};
  if (::fstat(fd_.get(), &ours) != 0 || ::stat(path_.c_str(), &theirs) != 0) return false;
  return ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev;
}

Result<bool> LogReader::read(const OnLine& on_line) {
  TRY_ASSIGN(bool any, drain(on_line));
  if (!rotated()) return any;
  UniqueFd next(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!next) return any;                        // renamed, the new one is not there yet
  TRY_ASSIGN(const bool last, drain(on_line));  // written between our read and the rename
  fd_ = std::move(next);
  pending_.clear();
  watch();
  TRY_ASSIGN(const bool fresh, drain(on_line));
  return any || last || fresh;
}

void LogReader::wait(int milliseconds) {
  pollfd fd{notify_.get(), POLLIN, 0};  // a negative descriptor is skipped: only the time counts then
  if (::poll(&fd, 1, milliseconds) <= 0) return;
  std::array<char, 4096> events;
  while (::read(notify_.get(), events.data(), events.size()) > 0) {
  }
}

}  // namespace slipway::cli
