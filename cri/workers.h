// Bounded pools of threads on which requests run as straight-line blocking code.
//
// gRPC's own threads read the snapshot and post. Three lanes, so that slow work cannot hold up quick work: reads of the snapshot,
// operations, and long waits (a stop's grace, an exec, a pull). Threads start when there is work for them and leave after `idle`. Any
// thread may post; the owner is cri::Server.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/result.h"

namespace slipway::cri {

enum class Lane : std::size_t { read, operate, wait };

struct WorkerLimits {
  unsigned reads = 2;  // threads of each lane at most
  unsigned operations = 16;
  unsigned waits = 128;
  std::size_t queue = 1024;  // jobs that wait for a thread, per lane
  std::chrono::milliseconds idle = std::chrono::seconds(10);
};

class Workers {
 public:
  explicit Workers(const WorkerLimits& limits);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() { stop(); }

  // resource_exhausted when the lane's queue is full, unavailable after stop().
  Result<void> post(Lane lane, std::function<void()> job);

  // Runs what is queued to its end, then joins. Idempotent.
  void stop();

  std::size_t threads() const;

 private:
  struct Pool {
    std::string_view name;
    unsigned limit = 1;
    std::deque<std::function<void()>> queue;
    unsigned idle = 0;
    std::list<std::thread> running;
    std::condition_variable work;
  };

  bool start_thread(Pool& pool);
  void run(Pool& pool, std::list<std::thread>::iterator self);
  void join_finished(std::unique_lock<std::mutex>& lock);

  const std::size_t queue_limit_;
  const std::chrono::milliseconds idle_;
  mutable std::mutex mutex_;
  std::condition_variable left_;
  std::array<Pool, 3> pools_;
  std::list<std::thread> finished_;  // to be joined by whoever comes next
  bool stopping_ = false;
};

}  // namespace slipway::cri
