// What must be taken back when a later step of an operation fails.
//
// Steps run in reverse order, every one of them even if one fails. Owner: the operation's stack frame; one thread.
// Each add is a fault point: what was added is done although the operation fails right there.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/fault.h"
#include "base/result.h"

namespace slipway {

class Undo {
 public:
  Undo() = default;
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() { (void)run(); }

  Result<void> add(std::string what, std::function<Result<void>()> step) {
    steps_.emplace_back(std::move(what), std::move(step));
    return fault::point(steps_.back().first);
  }
  void dismiss() { steps_.clear(); }

  // Runs the steps now. The messages of those that failed, each with its name in front; they are logged by the caller.
  std::vector<Error> run();

 private:
  std::vector<std::pair<std::string, std::function<Result<void>()>>> steps_;
};

}  // namespace slipway
