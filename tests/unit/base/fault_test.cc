// Fault points: counted per operation, one planned fault happens once; unarmed they do nothing.
#include "base/fault.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "base/undo.h"
#include "tests/unit/slurp.h"
#include "tests/unit/temp_dir.h"

using namespace slipway;
using slipway::test::slurp;
using slipway::test::TempDir;

namespace {

Result<void> work() {
  const fault::Operation operation("Work");
  TRY(fault::point("one"));
  const fault::Operation inner("Inner");  // part of the outer one
  TRY(fault::point("two"));
  fault::moment("three");
  return {};
}

}  // namespace

// One process arms once and for all: everything that is armed happens in a child.
TEST_CASE("a planned fault happens once, at its number", "[base]") {
  CHECK(work().ok());
  TempDir dir;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    fault::arm(dir.path);
    if (!work().ok()) ::_exit(1);
    if (slurp(dir.path + "/trace") != "Work 1 fail,kill one\nWork 2 fail,kill two\nWork 3 kill three\nWork 4 kill end\n") ::_exit(2);
    std::ofstream(dir.path + "/plan") << "Work 2 fail";
    const auto failed = work();
    if (failed.ok() || failed.error().message.find("Work 2: two") == std::string::npos) ::_exit(3);
    if (::access((dir.path + "/plan").c_str(), F_OK) == 0 || !work().ok()) ::_exit(4);
    std::ofstream(dir.path + "/plan") << "Other 1 fail";
    if (!work().ok()) ::_exit(5);
    std::ofstream(dir.path + "/plan") << "Work 3 fail";  // nothing can fail there
    if (!work().ok()) ::_exit(6);
    if (!fault::point("in no operation").ok()) ::_exit(7);
    std::ofstream(dir.path + "/plan") << "Work 3 kill";
    (void)work();
    ::_exit(8);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);  // lint: allow wait, because the child is this test's own
  CHECK(WIFSIGNALED(status));
  CHECK((WIFEXITED(status) ? WEXITSTATUS(status) : 0) == 0);
}

TEST_CASE("what was added to an undo is taken back, also when the operation fails right there", "[base]") {
  TempDir dir;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    fault::arm(dir.path);
    std::ofstream(dir.path + "/plan") << "Work 1 fail";
    bool undone = false;
    {
      const fault::Operation operation("Work");
      Undo undo;
      const auto added = undo.add("step", [&]() -> Result<void> {
        undone = true;
        return {};
      });
      if (added.ok()) ::_exit(1);
    }
    ::_exit(undone ? 0 : 2);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);  // lint: allow wait, because the child is this test's own
  CHECK(status == 0);
}
