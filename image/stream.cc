// The bounded queue between the thread that fetches and the one that unpacks.
#include "image/stream.h"

namespace slipway::image {

Result<std::string> Pipe::take_empty() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return left_ || !empty_.empty() || made_ < kBuffers; });
  if (left_) return fail(Code::cancelled, "the reader has gone");
  std::string buffer;
  if (!empty_.empty()) {
    buffer = std::move(empty_.back());
    empty_.pop_back();
  } else {
    ++made_;
  }
  lock.unlock();
  buffer.resize(kBufferSize);
  return buffer;
}

void Pipe::put(std::string full) {
  const std::lock_guard lock(mutex_);
  full_.push_back(std::move(full));
  changed_.notify_all();
}

void Pipe::finish(Result<void> how) {
  const std::lock_guard lock(mutex_);
  finished_ = true;
  if (!how.ok()) error_ = std::move(how).error();
  changed_.notify_all();
}

Result<std::string_view> Pipe::next() {
  std::unique_lock lock(mutex_);
  if (!current_.empty()) {
    empty_.push_back(std::move(current_));
    current_.clear();
    changed_.notify_all();
  }
  changed_.wait(lock, [&] { return finished_ || !full_.empty(); });
  if (error_) return *error_;  // at once: what was read before a failure is of no use
  if (full_.empty()) return std::string_view{};
  current_ = std::move(full_.front());
  full_.pop_front();
  return std::string_view(current_);
}

void Pipe::leave() {
  const std::lock_guard lock(mutex_);
  left_ = true;
  changed_.notify_all();
}

}  // namespace slipway::image
