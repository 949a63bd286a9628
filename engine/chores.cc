// Work that nobody waits for: a time-ordered map and one thread.
#include "engine/chores.h"

#include <algorithm>

#include "base/fault.h"
#include "base/log.h"

namespace slipway::engine {

void Chores::add(const std::string& name, Work work) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  std::erase_if(waiting_, [&](const auto& entry) { return entry.second.name == name; });
  waiting_.emplace(Clock::now(), Chore{name, std::move(work), first_pause});
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  change_.notify_all();
}

void Chores::cancel(const std::string& name) {
  const std::lock_guard lock(mutex_);
  std::erase_if(waiting_, [&](const auto& entry) { return entry.second.name == name; });
  if (working_on_ == name) cancelled_ = true;
}

void Chores::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    change_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Chores::settle() {
  std::unique_lock lock(mutex_);
  change_.wait(lock, [&] { return working_on_.empty() && (waiting_.empty() || waiting_.begin()->first > Clock::now()); });
}

void Chores::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (waiting_.empty()) {
      change_.wait(lock);
      continue;
    }
    const auto due = waiting_.begin()->first;
    if (due > Clock::now()) {
      change_.wait_until(lock, due);
      continue;
    }
    Chore chore = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    working_on_ = chore.name;
    cancelled_ = false;
    lock.unlock();
    const Result<void> result = [&chore] {
      const fault::Operation operation("Chore");
      return chore.work();
    }();
    if (!result.ok()) log::warn("{}: {}; again in {} ms", chore.name, result.error().message, chore.pause.count());
    lock.lock();
    working_on_.clear();
    if (!result.ok() && !cancelled_) {
      const auto next = Clock::now() + chore.pause;
      chore.pause = std::min(chore.pause * 2, longest_pause);
      waiting_.emplace(next, std::move(chore));
    }
    change_.notify_all();
  }
}

}  // namespace slipway::engine
