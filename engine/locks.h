// Who may work on what: one operation at a time per key, repeated requests that join the one in flight, a bound for slow ones.
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
#include "engine/stage_note.h"

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

  // deadline_exceeded, naming the key and what its holder is doing, when the operation before does not end in time. `note` is the new
  // holder's.
  Result<Guard> lock(const std::string& key, std::chrono::milliseconds timeout, std::shared_ptr<const StageNote> note = nullptr) {
    std::unique_lock lock(mutex_);
    Entry& entry = entries_[key];
    ++entry.users;
    if (entry.held) StageWatch::follow(entry.note);
    const bool got = free_.wait_for(lock, timeout, [&] { return !entry.held; });
    if (!got) {
      const std::string holder = entry.note ? ": " + entry.note->text() : "";
      drop(key);
      return fail(Code::deadline_exceeded, "another operation on '{}' has not ended in {} ms{}", key, timeout.count(), holder);
    }
    entry.held = true;
    StageWatch::follow(note);
    entry.note = std::move(note);
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
    std::shared_ptr<const StageNote> note;  // the holder's
  };

  void unlock(const std::string& key) {
    const std::lock_guard lock(mutex_);
    entries_[key].held = false;
    entries_[key].note.reset();
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

// A number of places for what may take as long as somebody outside wants: the threads beyond it are for everybody else.
class Places {
 public:
  class Guard {
   public:
    explicit Guard(Places& owner) : owner_(&owner) {}
    Guard(Guard&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (owner_ != nullptr) owner_->leave();
    }

   private:
    Places* owner_;
  };

  // resource_exhausted where none of `most` gets free in time; `what` is the sentence's subject.
  Result<Guard> take(unsigned most, std::chrono::milliseconds timeout, const char* what) {
    std::unique_lock lock(mutex_);
    if (!free_.wait_for(lock, timeout, [&] { return taken_ < most; }))
      return fail(Code::resource_exhausted, "{} {} under way already, which is as many as there may be: ask again", taken_, what);
    ++taken_;
    return Guard(*this);
  }

 private:
  void leave() {
    const std::lock_guard lock(mutex_);
    --taken_;
    free_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable free_;
  unsigned taken_ = 0;
};

// The kubelet repeats a request whose reply it did not wait for: the second caller gets the first one's result, or, when that takes
// longer than it can wait, what the first one is doing.
template <class T>
class InFlight {
 public:
  using Note = std::shared_ptr<StageNote>;

  Result<T> join(const std::string& key, const char* operation, std::chrono::milliseconds limit,
                 const std::function<Result<T>(const Note&)>& run) {
    std::promise<Result<T>> promise;
    const Note note = std::make_shared<StageNote>(operation);
    {
      std::unique_lock lock(mutex_);
      const auto found = running_.find(key);
      if (found != running_.end()) {
        const Flight other = found->second;
        lock.unlock();
        StageWatch::follow(other.note);
        if (other.result.wait_for(limit) == std::future_status::ready) return other.result.get();
        return fail(Code::deadline_exceeded, "the same call before this one has not ended: {}", other.note->text());
      }
      running_.emplace(key, Flight{promise.get_future().share(), note});
    }
    StageWatch::follow(note);
    Result<T> result = run(note);
    {
      const std::lock_guard lock(mutex_);
      running_.erase(key);
    }
    promise.set_value(result);
    return result;
  }

 private:
  struct Flight {
    std::shared_future<Result<T>> result;
    Note note;
  };
  std::mutex mutex_;
  std::map<std::string, Flight> running_;
};

}  // namespace slipway::engine
