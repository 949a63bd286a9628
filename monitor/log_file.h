// A container's log file: entries appended, with a stated behaviour on a full disk. The log writer's side.
//
// A write that fails (ENOSPC, EDQUOT, EIO) never stops anybody: its entries are dropped and counted, a torn last entry
// is cut off again, and the first write that succeeds later is preceded by one stderr entry that says how many were lost
// and why. While entries are being lost each further append is one attempt. Owner: the log writer; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"

namespace slipway::monitor {

// "TIME stderr F slipway: N log entries were lost here: REASON\n" into `out`; its length.
inline constexpr std::size_t kNoticeSize = 256;
std::size_t format_notice(char (&out)[kNoticeSize], UnixNanos time, std::uint64_t lost, const char* reason);

class LogFile {
 public:
  LogFile() = default;

  // Made with mode 0640 in a directory that exists; the last component may not be a link, the file must be a regular one.
  static Result<LogFile> open(const std::string& path);
  LogFile(LogFile&&) = default;
  LogFile& operator=(LogFile&&) = default;
  ~LogFile() = default;

  // Whole entries, each with its newline at the end and nowhere else.
  void append(std::string_view entries);
  // The same path anew after a rotation; on error the old file stays in use.
  Result<void> reopen();
  // The notice of lost entries, if there is one to write.
  void finish();
  void remember(std::uint64_t lost, int error);  // of whoever wrote before
  std::uint64_t lost() const { return lost_; }
  int lost_errno() const { return lost_errno_; }
  std::uint64_t size() const;
  bool valid() const { return fd_.valid(); }

 private:
  bool write_notice();

  std::string path_;
  UniqueFd fd_;
  std::uint64_t lost_ = 0;  // entries since the last notice
  int lost_errno_ = 0;
};

}  // namespace slipway::monitor
