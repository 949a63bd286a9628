// The queues of events.
#include "engine/pod_events.h"

#include <algorithm>
#include <utility>

namespace slipway::engine {

Result<std::optional<PodEvent>> PodEvents::Subscription::front() const {
  const std::lock_guard lock(owner_.mutex_);
  return front_locked();
}

Result<std::optional<PodEvent>> PodEvents::Subscription::front_locked() const {
  if (cancelled_) return fail(Code::cancelled, "the subscriber has gone");
  if (lost_)
    return fail(Code::resource_exhausted, "more than {} events were waiting: some are lost, list pods and containers again",
                owner_.limits_.queue);
  if (!queue_.empty()) return std::optional<PodEvent>(queue_.front());
  if (owner_.closed_) return fail(Code::unavailable, "slipwayd is shutting down");
  return std::optional<PodEvent>();
}

void PodEvents::Subscription::wait() const {
  std::unique_lock lock(owner_.mutex_);
  owner_.changed_.wait(lock, [this] {
    const auto front = front_locked();
    return !front.ok() || front.value().has_value();
  });
}

void PodEvents::Subscription::cancel() {
  const std::lock_guard lock(owner_.mutex_);
  cancelled_ = true;
  owner_.changed_.notify_all();
}

void PodEvents::Subscription::leave() {
  owner_.leave(*this);
}

void PodEvents::Subscription::pop() {
  const std::lock_guard lock(owner_.mutex_);
  if (!queue_.empty()) queue_.pop_front();
}

void PodEvents::publish(PodEvent event) {
  const std::lock_guard lock(mutex_);
  forget_old(event.at);
  event.sequence = next_++;
  if (subscribers_.empty()) {
    keep(std::move(event));
    return;
  }
  for (Subscription* subscriber : subscribers_) {
    if (subscriber->lost_) continue;
    if (subscriber->queue_.size() == limits_.queue) {
      subscriber->lost_ = true;
      subscriber->queue_.clear();
    } else {
      subscriber->queue_.push_back(event);
    }
  }
  changed_.notify_all();
}

void PodEvents::remember(PodRecord last, UnixNanos now) {
  const std::lock_guard lock(mutex_);
  forget_old(now);
  last.state = PodState::not_ready;
  std::string id = last.id;
  gone_.insert_or_assign(std::move(id), Gone{now, std::move(last)});
  if (gone_.size() <= limits_.queue) return;
  gone_.erase(std::min_element(gone_.begin(), gone_.end(), [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
}

std::unique_ptr<PodEvents::Subscription> PodEvents::subscribe(UnixNanos now) {
  auto subscription = std::make_unique<Subscription>(*this);
  const std::lock_guard lock(mutex_);
  forget_old(now);
  subscription->queue_ = std::exchange(kept_, {});
  subscription->since_ = next_;
  subscribers_.push_back(subscription.get());
  return subscription;
}

std::optional<PodRecord> PodEvents::gone(const std::string& pod_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = gone_.find(pod_id);
  if (found == gone_.end()) return std::nullopt;
  return found->second.record;
}

void PodEvents::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

// What it did not take is the next one's: who has come already (a client connects anew before its old stream's end is noticed) or will.
void PodEvents::leave(Subscription& subscription) {
  const std::lock_guard lock(mutex_);
  std::deque<PodEvent> left = std::exchange(subscription.queue_, {});
  const auto place = std::find(subscribers_.begin(), subscribers_.end(), &subscription);
  if (place == subscribers_.end()) return;
  const auto next = subscribers_.erase(place);
  if (subscribers_.empty())
    for (PodEvent& event : left) keep(std::move(event));
  if (next == subscribers_.end()) return;
  std::erase_if(left, [&](const PodEvent& event) { return event.sequence >= (*next)->since_; });
  (*next)->queue_.insert((*next)->queue_.begin(), left.begin(), left.end());
  changed_.notify_all();
}

void PodEvents::keep(PodEvent event) {
  if (kept_.size() == limits_.queue) kept_.pop_front();
  kept_.push_back(std::move(event));
}

void PodEvents::forget_old(UnixNanos now) {
  while (!kept_.empty() && kept_.front().at < now - limits_.keep) kept_.pop_front();
  std::erase_if(gone_, [&](const auto& entry) { return entry.second.at < now - limits_.keep; });
}

}  // namespace slipway::engine
