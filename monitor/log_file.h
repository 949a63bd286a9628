// A container's log file: batches of entries appended by writev, with a stated behaviour on a full disk.
//
// A write that fails (ENOSPC, EDQUOT, EIO) never stops the container: its entries are dropped and counted, a torn last entry
// is cut off again, and the first write that succeeds later is preceded by one stderr entry that says how many were lost
// and why. While entries are being lost each further batch is one attempt. Owner: the container's stdio; one thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "monitor/log_format.h"

namespace slipway::monitor {

class LogFile final : public LogOutput {
 public:
  LogFile() = default;  // entries are dropped silently: a container without a log

  // Made with mode 0640 in a directory that exists; the last component may not be a link, the file must be a regular one.
  static Result<LogFile> open(const std::string& path);
  LogFile(LogFile&&) = default;
  LogFile& operator=(LogFile&&) = default;
  ~LogFile() = default;

  void write(const LogBatch& batch) override;
  // The same path anew after a rotation; on error the old file stays in use.
  Result<void> reopen();
  // The notice of lost entries, if there is one to write: at the container's end.
  void finish();
  std::uint64_t lost() const { return lost_; }
  bool valid() const { return fd_.valid(); }

 private:
  bool write_notice();

  std::string path_;
  UniqueFd fd_;
  std::uint64_t lost_ = 0;  // entries since the last notice
  int lost_errno_ = 0;
};

}  // namespace slipway::monitor
