// A child whose first thread has ended while another lives: /proc calls it a zombie, and it is at work.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <string>
#include <thread>

#include "sys/process_stat.h"
#include "tests/unit/slurp.h"

namespace slipway::tests {

// For its parent to end and reap. `place` is called while its first thread lives: later the kernel would move the others alone.
inline pid_t fork_without_leader(const std::function<void(pid_t)>& place = {}) {
  int placed[2];
  REQUIRE(::pipe2(placed, O_CLOEXEC) == 0);
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)::close(placed[1]);
    char end = 0;
    (void)!::read(placed[0], &end, 1);
    std::thread([] {
      for (;;) ::pause();
    }).detach();
    (void)::syscall(SYS_exit, 0);
  }
  if (place) place(pid);
  for (const int fd : placed) (void)::close(fd);
  for (int i = 0; i < 5000; ++i) {
    if (sys::stat_field(test::slurp("/proc/" + std::to_string(pid) + "/stat"), 3) == "Z") return pid;
    (void)::poll(nullptr, 0, 1);
  }
  FAIL("the first thread does not end");
  return pid;
}

}  // namespace slipway::tests
