// Threads' states and limits, of this process.
#include "engine/process_facts.h"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

using namespace slipway::engine;

TEST_CASE("the threads of this process are counted; processes that are not there are nothing", "[engine]") {
  std::atomic<bool> wait = true;
  std::thread sleeper([&] { wait.wait(true); });
  TaskStates states;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  do {
    states = count_task_states({::getpid(), 0x7fffffff});
  } while (states.sleeping == 0 && std::chrono::steady_clock::now() < end);
  wait = false;
  wait.notify_all();
  sleeper.join();
  CHECK(states.sleeping == 1);
  CHECK(states.running == 1);  // this one
  CHECK(states.stopped + states.uninterruptible == 0);
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(open_files_limit(::getpid()) == limit.rlim_cur);
  CHECK_FALSE(open_files_limit(0x7fffffff));
  CHECK_FALSE(open_files_limit(0));
}
