// The CRI log file of a container: `TIME STREAM TAG CONTENT` lines, read to the end or followed while they come.
//
// One thread. Lines longer than 1 MiB are not CRI's: they are refused, never grown without bound.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::cli {

struct LogLine {
  std::string_view time;
  bool is_stderr = false;
  bool partial = false;  // tag P: the next line of this stream goes on with it
  std::string_view content;
};

Result<LogLine> parse_log_line(std::string_view line);

class LogReader {
 public:
  using OnLine = std::function<Result<void>(const LogLine&)>;

  // An absent file is not_found.
  static Result<LogReader> open(std::string path);

  // Begins with the last `lines` whole lines of what is there.
  Result<void> seek_tail(std::size_t lines);

  // Hands over every whole line that is there now; true if there was any. After a rotation the old file is read to its end first.
  Result<bool> read(const OnLine& on_line);

  // Blocks until the file may have more, or `milliseconds` have passed.
  void wait(int milliseconds);

 private:
  explicit LogReader(std::string path, UniqueFd fd, UniqueFd notify)
      : path_(std::move(path)), fd_(std::move(fd)), notify_(std::move(notify)) {}
  Result<bool> drain(const OnLine& on_line);
  bool rotated() const;
  void watch();

  std::string path_;
  UniqueFd fd_;
  UniqueFd notify_;  // inotify; invalid where there is none: wait() then only waits
  int watch_ = -1;
  std::string pending_;  // the beginning of a line that is still being written
};

}  // namespace slipway::cli
