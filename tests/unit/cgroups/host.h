// A cgroup of the test's own on this host, removed at the end.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <string>

#include "cgroups/cgroup.h"

namespace slipway::tests {

struct HostCgroup {
  HostCgroup() : name("/slipway-test-" + std::to_string(::getpid())) {
    auto opened = cgroups::open_root();
    if (!opened.ok()) FAIL(opened.error().message);
    root = std::move(opened).take();
  }
  ~HostCgroup() { CHECK(cgroups::Cgroup::kill_and_remove(root, name, 5000).ok()); }

  cgroups::Cgroup make(const std::string& below = "") const {
    auto made = cgroups::Cgroup::create(root, name + below);
    if (!made.ok()) FAIL(made.error().message);
    return std::move(made).take();
  }

  cgroups::Root root;
  std::string name;
};

// A child in the cgroup that waits for its end.
struct Sleeper {
  explicit Sleeper(const cgroups::Cgroup& cgroup) {
    pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) ::pause();
    }
    const auto added = cgroup.add(pid);
    if (added.ok()) return;
    end();
    FAIL(added.error().message);
  }
  ~Sleeper() { end(); }
  void end() {
    if (pid <= 0) return;
    (void)::kill(pid, SIGKILL);  // an unreaped child's number cannot be another's
    (void)::waitpid(pid, nullptr, 0);
    pid = 0;
  }
  // The signal that ended it.
  int reap() {
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    pid = 0;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
  pid_t pid = 0;
};

}  // namespace slipway::tests
