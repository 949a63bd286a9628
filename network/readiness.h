// Whether pods can have a network, known before anybody asks: a thread of its own looks at the directories when they change.
//
// now() never touches the disk: Status is asked every few seconds, also while a disk hangs. What inotify does not tell (a mount over a
// directory, a changed symbolic link) is seen by a look every kAnyway.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "engine/ports.h"

namespace slipway::network {

class Readiness {
 public:
  static constexpr std::chrono::seconds kAnyway{10};

  // `look` may touch the disk; it is called here once and then on the thread.
  static Result<std::unique_ptr<Readiness>> watch(std::vector<std::string> directories, std::function<engine::Condition()> look);
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;
  ~Readiness();

  engine::Condition now() const;
  void look();  // for the thread, and for whoever has changed something, before it says so

 private:
  Readiness(std::vector<std::string> directories, std::function<engine::Condition()> look, UniqueFd notify, UniqueFd stop);
  void set_watches();
  void run();

  const std::vector<std::string> directories_;
  const std::function<engine::Condition()> look_;
  const UniqueFd notify_;  // inotify; not valid where the host has no more of them
  const UniqueFd stop_;
  std::mutex looking_;  // one look at a time: the last one to begin is the last one to be told
  std::set<int> watches_;
  mutable std::mutex mutex_;
  engine::Condition now_;
  std::thread thread_;
};

}  // namespace slipway::network
