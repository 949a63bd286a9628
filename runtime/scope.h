// A systemd scope for what is about to be cloned into it.
//
// systemd makes a scope of processes that exist, and takes it away with its last one. So an anchor, a child that only waits, is put in
// first; the real process is born into the scope's cgroup by clone3 while the anchor is there. Nothing is moved but the anchor.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cgroups/cgroup.h"
#include "cgroups/unit_properties.h"
#include "oci/spec.h"
#include "sys/process.h"

namespace slipway::runtime {

struct ScopeRequest {
  std::string path;  // beneath the cgroup2 root: expand_slice(SLICE)/NAME.scope
  std::string description;
  std::vector<std::string> after;             // units: at a shutdown the scope is stopped before them
  const oci::Resources* resources = nullptr;  // also written as the unit's properties
  std::vector<cgroups::Property> asked;       // by the caller, over ours; limits of `resources` go before them
};

// A limit of processes counts the anchor too: one more while that is there.
class AnchorsRoom {
 public:
  AnchorsRoom() = default;
  AnchorsRoom(UniqueFd file, std::string exact) : file_(std::move(file)), exact_(std::move(exact)) {}
  AnchorsRoom(AnchorsRoom&&) = default;
  AnchorsRoom& operator=(AnchorsRoom&&) = default;
  ~AnchorsRoom();  // the exact limit again

 private:
  UniqueFd file_;
  std::string exact_;
};

// Destroying it ends the anchor; a scope without another process is then gone.
class Scope {
 public:
  // invalid_argument when the path is not where systemd puts that unit; on any error nothing is left.
  static Result<Scope> start(const ScopeRequest& request);
  const cgroups::Cgroup& cgroup() const { return cgroup_; }
  // After the cgroup got its limits.
  Result<void> make_room();

 private:
  Scope(sys::Child anchor, UniqueFd leash, cgroups::Cgroup cgroup)
      : anchor_(std::move(anchor)), leash_(std::move(leash)), cgroup_(std::move(cgroup)) {}

  AnchorsRoom room_;  // before the anchor: it outlives that one
  sys::Child anchor_;
  UniqueFd leash_;  // its end is the anchor's, however we end
  cgroups::Cgroup cgroup_;
};

}  // namespace slipway::runtime
