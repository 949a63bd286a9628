// Progress with back-pressure: what a slow client has not taken yet is overwritten by what is newer.
#include "cri/progress_stream.h"

namespace slipway::cri {
namespace {

constexpr std::size_t kWaitingLimit = 512;  // layers with a word waiting; an image has 127 at most

}  // namespace

void ProgressStream::report(const engine::Progress& progress) {
  if (progress.stage == "done") return;  // finish() says it, with the images
  admin::Progress message;
  message.set_stage(progress.stage);
  message.set_what(progress.what);
  message.set_bytes_done(progress.done);
  message.set_bytes_total(progress.total);
  put(std::move(message));
}

void ProgressStream::put(admin::Progress message) {
  std::unique_lock lock(mutex_);
  for (auto& other : waiting_)
    if (other.what() == message.what() && other.stage() == message.stage()) {
      other = std::move(message);
      return;
    }
  if (waiting_.size() < kWaitingLimit) waiting_.push_back(std::move(message));
  advance(std::move(lock));
}

void ProgressStream::finish(const Result<std::vector<engine::ImageRecord>>& result) {
  std::unique_lock lock(mutex_);
  finished_ = true;
  if (!result.ok()) {
    status_ = to_status(result.error());
    waiting_.clear();
  } else {
    for (const auto& image : result.value()) {
      admin::Progress message;
      message.set_stage("done");
      message.set_image_id(image.id);
      for (const auto& tag : image.repo_tags) message.add_references(tag);
      if (image.repo_tags.empty())
        for (const auto& digest : image.repo_digests) message.add_references(digest);
      waiting_.push_back(std::move(message));
    }
  }
  advance(std::move(lock));
}

void ProgressStream::OnWriteDone(bool ok) {
  std::unique_lock lock(mutex_);
  writing_ = false;
  broken_ = broken_ || !ok;
  advance(std::move(lock));
}

// gRPC is called without the lock: after Finish the object may be gone at once.
void ProgressStream::advance(std::unique_lock<std::mutex> lock) {
  if (broken_) waiting_.clear();
  if (writing_ || ended_) return;
  if (!waiting_.empty()) {
    current_ = std::move(waiting_.front());
    waiting_.pop_front();
    writing_ = true;
    lock.unlock();
    StartWrite(&current_);
    return;
  }
  if (!finished_) return;
  ended_ = true;
  const grpc::Status status = broken_ ? grpc::Status::CANCELLED : status_;
  lock.unlock();
  Finish(status);
}

}  // namespace slipway::cri
