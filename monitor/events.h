// What slipwayd has not yet recorded: the newest events, by sequence number.
//
// Bounded: beyond kKept the oldest go. A controller that finds a gap (Welcome.last_sequence) reads Welcome.containers, which
// holds every exit; exec sessions' exits are lost then, but those belonged to a slipwayd that is gone. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "slipway/monitor.pb.h"

namespace slipway::monitor {

class EventQueue {
 public:
  static constexpr std::size_t kKept = 256;

  // Gives the event its number and keeps it until acknowledged.
  const Event& push(Event event) {
    event.set_sequence(++last_);
    if (events_.size() == kKept) events_.pop_front();
    events_.push_back(std::move(event));
    return events_.back();
  }
  void acknowledge(std::uint64_t sequence) {
    while (!events_.empty() && events_.front().sequence() <= sequence) events_.pop_front();
  }
  std::uint64_t last() const { return last_; }
  const std::deque<Event>& kept() const { return events_; }

 private:
  std::uint64_t last_ = 0;
  std::deque<Event> events_;
};

}  // namespace slipway::monitor
