// Who may work on what: one operation at a time per key, and repeated requests that join the one in flight.
//
// Any thread. Keys that nobody uses take no memory.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/result.h"

namespace slipway::engine {

class KeyedLock {
 public:
  class Guard {
   public:
    Guard(KeyedLock& owner, std::string key) : owner_(&owner), key_(std::move(key)) {}
    Guard(Guard&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), key_(std::move(other.key_)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (owner_ != nullptr) owner_->unlock(key_);
    }

   private:
    KeyedLock* owner_;
    std::string key_;
  };

  // deadline_exceeded, naming the key, when the operation before does not end in time.
  Result<Guard> lock(const std::string& key, std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    Entry& entry = entries_[key];
    ++entry.users;
    const bool got = free_.wait_for(lock, timeout, [&] { return !entry.held; });
    if (!got) {
      drop(key);
      return fail(Code::deadline_exceeded, "another operation on '{}' has not ended in {} ms", key, timeout.count());
    }
    entry.held = true;
    return Guard(*this, key);
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  struct Entry {
    bool held = false;
    int users = 0;
  };

  void unlock(const std::string& key) {
    const std::lock_guard lock(mutex_);
    entries_[key].held = false;
    drop(key);
    free_.notify_all();
  }
  void drop(const std::string& key) {
    const auto found = entries_.find(key);
    if (--found->second.users == 0) entries_.erase(found);
  }

  mutable std::mutex mutex_;
  std::condition_variable free_;
  std::map<std::string, Entry> entries_;  // references stay valid while others come and go
};

// The kubelet repeats a request whose reply it did not wait for: the second caller gets the first one's result.
template <class T>
class InFlight {
 public:
  Result<T> join(const std::string& key, const std::function<Result<T>()>& run) {
    std::promise<Result<T>> promise;
    {
      std::unique_lock lock(mutex_);
      const auto found = running_.find(key);
      if (found != running_.end()) {
        const std::shared_future<Result<T>> other = found->second;
        lock.unlock();
        return other.get();
      }
      running_.emplace(key, promise.get_future().share());
    }
    Result<T> result = run();
    {
      const std::lock_guard lock(mutex_);
      running_.erase(key);
    }
    promise.set_value(result);
    return result;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_future<Result<T>>> running_;
};

}  // namespace slipway::engine
