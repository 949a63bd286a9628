// Containers' writable directories beneath the store, and which layers each of them stands on.
//
// ROOT/containers/ID/{layers,upper,work}. `layers` (a chain id a line; after an empty line those that are held) is written before anything
// else, so that a restart never deletes what a root uses. Not synced: after a power loss no container runs. Thread-safe by the store's
// mutex (but for `usage`, which may take long).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "engine/ports.h"
#include "image/layout.h"

namespace slipway::image {

class Roots {
 public:
  // `containers` is ROOT/containers at `path`. Reads what is there and removes leftovers.
  static Result<Roots> open(UniqueFd containers, std::string path);

  // Idempotent. `top` is the topmost layer's directory, whose owner and mode become the root's; null where there is none.
  Result<void> prepare(const std::string& id, const std::vector<std::string>& chains, const Owner* top);
  // Further layers that the container needs; a root that prepare() made.
  Result<void> hold(const std::string& id, const std::vector<std::string>& chains);
  // Takes the name away; the tree itself goes by sweep(), outside of locks. The leftover's name; empty where there was none.
  Result<std::string> detach(const std::string& id);
  Result<void> sweep(const std::string& leftover) const;

  struct Layers {
    std::vector<std::string> chains;
    std::size_t own = 0;  // so many of them, from the first, does the root stand on; the others are held
  };
  const std::map<std::string, Layers>& used() const { return used_; }
  // Those that the root itself stands on, without held ones; not_found where there is no such root.
  Result<std::vector<std::string>> own(const std::string& id) const;
  std::string upper(const std::string& id) const;
  std::string work(const std::string& id) const;
  Result<engine::FsUsage> usage(const std::string& id) const;

 private:
  Roots(UniqueFd dir, std::string path) : dir_(std::move(dir)), path_(std::move(path)) {}
  Result<void> read(const std::string& id);

  UniqueFd dir_;
  std::string path_;
  std::map<std::string, Layers> used_;
};

}  // namespace slipway::image
