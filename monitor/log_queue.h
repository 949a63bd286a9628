// One container's log as the monitor sees it: entries go into a ring that the log writer empties; nothing here waits.
//
// A reader asks `room` before it reads and pauses while there is too little. When that has lasted too long (a stalled or slow disk) it
// calls `begin_loss`: from then on entries are dropped and counted, until half of the ring is free again; then one stderr entry says how
// many were lost there, and all goes on. Owner: the container's io; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "monitor/log_format.h"
#include "monitor/log_writer.h"

namespace slipway::monitor {

class LogQueue final : public LogOutput {
 public:
  LogQueue() = default;  // a container without a log: entries are dropped
  LogQueue(const LogQueue&) = delete;
  LogQueue& operator=(const LogQueue&) = delete;
  ~LogQueue() { close(); }

  Result<void> open(LogWriter& writer, const std::string& path);
  // What is in the ring is still written; the notice of lost entries too.
  void close();

  void write(const LogBatch& batch) override;
  std::size_t room() const;  // bytes; without a log: as many as anybody wants
  bool written() const;      // all of it is in the file, or there is no log
  void begin_loss() { losing_ = ring_ != nullptr; }
  // At the end of the output: the notice, if one is due and there is room.
  void settle_loss() {
    if (lost_ > 0) (void)end_loss();
  }
  bool losing() const { return losing_; }
  std::uint64_t lost() const { return lost_; }
  bool stuck() const { return writer_ == nullptr || writer_->stuck(); }
  // The writer's next progress wakes the loop.
  void want_progress();

  // Everything before goes to the old file, everything after to the new one. The end is told by `reopened`.
  Result<void> begin_reopen();
  std::optional<Result<void>> reopened() const;  // nullopt: not yet

 private:
  bool end_loss();

  LogWriter* writer_ = nullptr;
  LogRing* ring_ = nullptr;
  bool losing_ = false;
  std::uint64_t lost_ = 0;  // entries since the last notice
};

}  // namespace slipway::monitor
