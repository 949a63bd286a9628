// What is kept of a begun ADD until its DEL has succeeded: one file a pod, on the disk before the first plugin runs.
//
// A host that loses power may lose its records of a pod, but not the addresses that plugins took for it: these files say whom they belong
// to. They are also the lock by which a DEL waits for plugins that a killed slipwayd left at work.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "network/config.h"
#include "network/json.h"

namespace slipway::network {

// What the plugins were given.
struct Intent {
  NetworkConfig network;
  std::string netns, args;
  Json capabilities = Json::object();
};

// Thread-safe; a pod's own calls come one after another.
class Intents {
 public:
  // A directory of the caller's alone, or empty: then nothing is kept and nothing is found.
  static Result<Intents> open(const std::string& directory);

  Result<void> keep(const std::string& pod_id, const Intent& intent) const;  // durable when it returns
  Result<void> drop(const std::string& pod_id) const;

  // nullopt: no ADD was begun, or the power went before it could be.
  Result<std::optional<Intent>> find(const std::string& pod_id) const;
  Result<std::vector<std::string>> pods() const;
  bool kept() const { return directory_.valid(); }

  // A plugin that a slipwayd started which was killed goes on alone, and would take an address after our DEL. Every plugin holds the locked
  // intent, so the lock is free when the last one has ended: unavailable until then. One that takes longer than `patience` is not waited
  // for.
  Result<UniqueFd> lock(const std::string& pod_id, std::chrono::nanoseconds patience) const;

 private:
  explicit Intents(UniqueFd directory) : directory_(std::move(directory)) {}
  UniqueFd directory_;
};

}  // namespace slipway::network
