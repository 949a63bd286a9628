// The few threads on which streaming waits for the engine: starting a process, dialling a port, ending what a client left.
//
// Any thread posts; bounded by kThreads and, for what waits, by the sessions there are. The threads start with the first job.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace slipway::streaming {

class Jobs {
 public:
  static constexpr unsigned kThreads = 8;

  void post(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    if (pool_ == nullptr) pool_ = std::make_unique<boost::asio::thread_pool>(kThreads);
    boost::asio::post(*pool_, std::move(job));
  }

  // `work` on a thread, then `done` with its result on the loop.
  template <class Work, class Done>
  void run(const boost::asio::any_io_executor& loop, Work work, Done done) {
    post([loop, work = std::move(work), done = std::move(done)] {
      auto result = std::make_shared<decltype(work())>(work());
      boost::asio::post(loop, [result, done] { done(std::move(*result)); });
    });
  }

  // Waits for what runs and for what was posted.
  void stop() {
    std::unique_ptr<boost::asio::thread_pool> pool;
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      pool = std::move(pool_);
    }
    if (pool != nullptr) pool->join();
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<boost::asio::thread_pool> pool_;
  bool stopped_ = false;
};

}  // namespace slipway::streaming
