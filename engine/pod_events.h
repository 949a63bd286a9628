// What GetContainerEvents tells: changes of pods and containers, for whoever listens, and for a while for whoever comes next.
//
//   Store ── publish() ──▶ each Subscription's queue (bounded: one that is too slow is told so, and ends)
//                     └──▶ nobody there: kept for five minutes, bounded; the next subscriber gets them
//
// An event names whom it is about and when; statuses are those of the moment it is sent (Engine::view), so they never roll back: an
// event that waited five minutes carries what is true now. Of a pod that was removed its last record is kept as long as its events.
// Any thread; publish() is called with the store's mutex held and only queues and wakes. Times are arguments.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"

namespace slipway::engine {

enum class PodEventType { created, started, stopped, deleted };  // the numbers are CRI's

struct PodEvent {
  PodEventType type = PodEventType::created;
  std::string id;  // of the container, or of the pod itself
  std::string pod_id;
  UnixNanos at = 0;
  std::uint64_t sequence = 0;  // given by publish()
};

struct PodEventLimits {
  std::size_t queue = 1000;                            // events that wait for one subscriber, or for the next one
  UnixNanos keep = std::int64_t{300} * 1'000'000'000;  // with no subscriber
};

class PodEvents {
 public:
  // One listener. Its thread calls wait(), front() and pop(); leaving gives to the next subscriber what was not popped.
  class Subscription {
   public:
    explicit Subscription(PodEvents& owner) : owner_(owner) {}
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription() { leave(); }

    // The oldest event; nullopt: none yet. resource_exhausted: events were lost because this subscriber is slow; cancelled: cancel();
    // unavailable: the source has closed. All three are for good.
    Result<std::optional<PodEvent>> front() const;
    void wait() const;  // until front() is an event or an error
    void pop();
    void cancel();  // from any thread
    void leave();   // as the destructor does: no events come any more

   private:
    friend class PodEvents;
    Result<std::optional<PodEvent>> front_locked() const;

    PodEvents& owner_;
    std::deque<PodEvent> queue_;
    std::uint64_t since_ = 0;  // events before this number were told to others
    bool lost_ = false;
    bool cancelled_ = false;
  };

  explicit PodEvents(PodEventLimits limits = {}) : limits_(limits) {}
  PodEvents(const PodEvents&) = delete;
  PodEvents& operator=(const PodEvents&) = delete;

  void publish(PodEvent event);
  // Before the event of its deletion.
  void remember(PodRecord last, UnixNanos now);

  std::unique_ptr<Subscription> subscribe(UnixNanos now);

  std::size_t subscribers() const {
    const std::lock_guard lock(mutex_);
    return subscribers_.size();
  }

  // The last record of a pod that was removed lately.
  std::optional<PodRecord> gone(const std::string& pod_id) const;

  // Subscribers are told that there will be no more.
  void close();

 private:
  void leave(Subscription& subscription);
  void keep(PodEvent event);
  void forget_old(UnixNanos now);

  struct Gone {
    UnixNanos at = 0;
    PodRecord record;
  };

  const PodEventLimits limits_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<Subscription*> subscribers_;
  std::deque<PodEvent> kept_;
  std::map<std::string, Gone> gone_;
  std::uint64_t next_ = 1;
  bool closed_ = false;
};

}  // namespace slipway::engine
