// Filling a log's ring.
#include "monitor/log_queue.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "monitor/log_file.h"

namespace slipway::monitor {
namespace {

constexpr const char* kReason = "the log's disk is too slow";

void copy_in(LogRing& ring, std::uint64_t at, const char* data, std::size_t size) {
  const std::size_t offset = static_cast<std::size_t>(at % LogRing::kSize);
  const std::size_t first = std::min(size, LogRing::kSize - offset);
  std::memcpy(ring.data + offset, data, first);
  std::memcpy(ring.data, data + first, size - first);
}

}  // namespace

Result<void> LogQueue::open(LogWriter& writer, const std::string& path) {
  TRY_ASSIGN(ring_, writer.add(path));
  writer_ = &writer;
  return {};
}

void LogQueue::close() {
  if (ring_ == nullptr) return;
  if (lost_ > 0) (void)end_loss();
  ring_->state = LogRing::kClosing;
  writer_->wake();
  ring_ = nullptr;
}

std::size_t LogQueue::room() const {
  if (ring_ == nullptr) return std::numeric_limits<std::size_t>::max();
  return LogRing::kSize - static_cast<std::size_t>(ring_->head - ring_->tail);
}

bool LogQueue::written() const {
  return ring_ == nullptr || ring_->head == ring_->tail;
}

void LogQueue::want_progress() {
  if (ring_ != nullptr) ring_->waiting = 1;
}

// The place where entries are missing is told there. False: there is still too little room.
bool LogQueue::end_loss() {
  char text[kNoticeSize];
  const std::size_t size = format_notice(text, now_realtime(), lost_, kReason);
  if (lost_ > 0 && room() < size) return false;
  if (lost_ > 0) {
    copy_in(*ring_, ring_->head, text, size);
    ring_->head += size;
  }
  lost_ = 0;
  losing_ = false;
  writer_->wake();
  return true;
}

void LogQueue::write(const LogBatch& batch) {
  if (ring_ == nullptr) return;
  if (losing_ && (room() < LogRing::kSize / 2 || !end_loss())) {
    lost_ += batch.entry_count;
    return;
  }
  if (batch.bytes() > room()) {  // whoever reads asks for room first: an exit's last words that are too many
    losing_ = true;
    lost_ += batch.entry_count;
    return;
  }
  // The head moves when all is there: the writer sees whole entries.
  std::uint64_t at = ring_->head;
  for (std::size_t i = 0; i < batch.part_count; ++i) {
    const std::size_t size = batch.parts[i].iov_len;
    copy_in(*ring_, at, static_cast<const char*>(batch.parts[i].iov_base), size);
    at += size;
  }
  ring_->head = at;
  writer_->wake();
}

Result<void> LogQueue::begin_reopen() {
  if (ring_ == nullptr) return {};
  if (ring_->reopen_wanted != ring_->reopened) return fail(Code::failed_precondition, "the log is being reopened already");
  if (lost_ > 0) (void)end_loss();  // what was lost belongs into the old file, if it takes it
  ring_->reopen_at = ring_->head.load();
  ++ring_->reopen_wanted;
  want_progress();
  writer_->wake();
  return {};
}

std::optional<Result<void>> LogQueue::reopened() const {
  if (ring_ == nullptr) return Result<void>{};
  if (ring_->reopen_wanted != ring_->reopened) return std::nullopt;
  const int error = ring_->reopen_errno;
  if (error == 0) return Result<void>{};
  return Result<void>(fail_errno(error, "open log '{}' anew", ring_->path));
}

}  // namespace slipway::monitor
