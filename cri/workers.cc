// The worker threads' life: start on demand, work, leave when idle.
#include "cri/workers.h"

#include <system_error>
#include <utility>

namespace slipway::cri {

Workers::Workers(const WorkerLimits& limits) : queue_limit_(limits.queue), idle_(limits.idle) {
  const std::pair<std::string_view, unsigned> lanes[] = {{"read", limits.reads}, {"operation", limits.operations}, {"wait", limits.waits}};
  for (std::size_t i = 0; i < pools_.size(); ++i) {
    pools_[i].name = lanes[i].first;
    pools_[i].limit = lanes[i].second == 0 ? 1 : lanes[i].second;
  }
}

Result<void> Workers::post(Lane lane, std::function<void()> job) {
  std::unique_lock lock(mutex_);
  join_finished(lock);
  if (stopping_) return fail(Code::unavailable, "slipwayd is shutting down");
  Pool& pool = pools_[static_cast<std::size_t>(lane)];
  const bool can_start = pool.running.size() < pool.limit;
  if (pool.queue.size() >= queue_limit_ && !(can_start && pool.idle == 0))
    return fail(Code::resource_exhausted, "{} requests wait for one of {} {} workers already", pool.queue.size(), pool.limit, pool.name);
  pool.queue.push_back(std::move(job));
  if (pool.idle < pool.queue.size() && can_start && !start_thread(pool) && pool.running.empty()) {
    pool.queue.pop_back();
    return fail(Code::resource_exhausted, "no thread can be started for {} work", pool.name);
  }
  pool.work.notify_one();
  return {};
}

bool Workers::start_thread(Pool& pool) {
  const auto self = pool.running.emplace(pool.running.end());
  try {
    *self = std::thread([this, &pool, self] { run(pool, self); });
  } catch (const std::system_error&) {  // EAGAIN: a limit of the unit or of the kernel; the threads there are go on
    pool.running.erase(self);
    return false;
  }
  return true;
}

void Workers::run(Pool& pool, std::list<std::thread>::iterator self) {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++pool.idle;
    pool.work.wait_for(lock, idle_, [&] { return stopping_ || !pool.queue.empty(); });
    --pool.idle;
    if (pool.queue.empty()) break;  // idle for too long, or stopping
    auto job = std::move(pool.queue.front());
    pool.queue.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what it holds dies outside the lock
    lock.lock();
  }
  finished_.splice(finished_.end(), pool.running, self);
  left_.notify_all();
}

// A thread that left has at most its unlock ahead of it: joining it outside the lock does not block for long.
void Workers::join_finished(std::unique_lock<std::mutex>& lock) {
  if (finished_.empty()) return;
  std::list<std::thread> finished;
  finished.swap(finished_);
  lock.unlock();
  for (auto& thread : finished) thread.join();
  lock.lock();
}

void Workers::stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  for (auto& pool : pools_) pool.work.notify_all();
  left_.wait(lock, [&] {
    for (const auto& pool : pools_)
      if (!pool.running.empty()) return false;
    return true;
  });
  join_finished(lock);
}

std::size_t Workers::threads() const {
  const std::lock_guard lock(mutex_);
  std::size_t n = 0;
  for (const auto& pool : pools_) n += pool.running.size();
  return n;
}

}  // namespace slipway::cri
