// Work that nobody waits for: one thread, each piece at its time, repeated with growing pauses until it succeeds.
//
// Any thread adds; the owner stops. What is not done at stop is found again from the records at the next start.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"

namespace slipway::engine {

class Chores {
 public:
  using Clock = std::chrono::steady_clock;
  using Work = std::function<Result<void>()>;

  Chores() = default;
  Chores(const Chores&) = delete;
  Chores& operator=(const Chores&) = delete;
  ~Chores() { stop(); }

  // A chore of the same name that waits is replaced. After an error it is done again, later each time, at most `longest` later.
  void add(const std::string& name, Work work);
  void cancel(const std::string& name);
  void stop();
  // Until nothing is due now (tests).
  void settle();

  std::chrono::milliseconds first_pause = std::chrono::seconds(1);
  std::chrono::milliseconds longest_pause = std::chrono::seconds(60);

 private:
  struct Chore {
    std::string name;
    Work work;
    std::chrono::milliseconds pause;
  };
  void run();

  std::mutex mutex_;
  std::condition_variable change_;
  std::multimap<Clock::time_point, Chore> waiting_;
  std::string working_on_;
  bool cancelled_ = false;  // the one at work
  bool stopping_ = false;
  std::thread thread_;  // started by the first chore
};

}  // namespace slipway::engine
