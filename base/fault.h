// Fault points: named moments at which a test lets a step fail or a process die (docs/adr/0008-fault-points.md).
//
// Armed only in a slipwayd that was started with SLIPWAY_FAULTS=DIR, and in the monitors and workers that it starts; otherwise a point is
// one test of a bool. Armed, each point of an operation has a number, counted from 1 in the operation's own thread:
//   DIR/trace   gets a line "OPERATION NUMBER KINDS NAME" for each point that is passed; KINDS is "fail,kill" or "kill"
//   DIR/plan    "OPERATION NUMBER fail", "OPERATION NUMBER kill" (this process) or "OPERATION NUMBER kill PID": read at the
//               operation's begin, removed when it happens, so that it happens once
// A thread that is in no operation passes every point. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::fault {

namespace detail {
extern bool is_armed;
Result<void> pass(std::string_view name, bool may_fail);
}  // namespace detail

// Before the first thread. `directory` exists.
void arm(std::string directory);
inline bool armed() {
  return detail::is_armed;
}
const std::string& directory();

// What this thread does until the end of the scope. An operation within another one is part of that one.
class Operation {
 public:
  explicit Operation(const char* name);
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation();

 private:
  friend Result<void> detail::pass(std::string_view name, bool may_fail);
  const char* name_;
  bool outermost_ = false;
  unsigned passed_ = 0;
  unsigned planned_ = 0;  // 0 = none
  bool kills_ = false;
  int victim_ = 0;  // 0 = this process
};

// Stands before a step: its error is the step's.
inline Result<void> point(std::string_view name) {
  if (!detail::is_armed) [[likely]]
    return {};
  return detail::pass(name, true);
}

// Stands after a step that has been done: a process may die here, but nothing fails.
inline void moment(std::string_view name) {
  if (detail::is_armed) [[unlikely]]
    (void)detail::pass(name, false);
}

}  // namespace slipway::fault
