// What a neighbour sees of an init before it executes its program.
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "runtime/init/plan.h"
#include "runtime/init/steps.h"

using namespace slipway;

TEST_CASE("an init has no environment of its maker's, whether it waits for start or not", "[runtime][attack]") {
  REQUIRE(::setenv("SECRET_OF_THE_CALLER", "s3cret", 1) == 0);
  for (const int start_fd : {-1, 5}) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      runtime::init::InitPlan plan;
      plan.start_fd = start_fd;
      runtime::init::Progress progress;
      (void)runtime::init::forget_environment(plan, progress);
      for (char** entry = ::environ; *entry != nullptr; ++entry)
        if (std::strlen(*entry) != 0) ::_exit(1);
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(::getenv("SECRET_OF_THE_CALLER") != nullptr);
}
