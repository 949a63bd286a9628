// A container's cgroup, made and limited before anything of the container is in it: by create() and by restore.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/undo.h"
#include "cgroups/cgroup.h"
#include "runtime/runner.h"
#include "runtime/scope.h"

namespace slipway::runtime {

// What holds the cgroup until the container's first process is in it.
struct CgroupPlace {
  std::string path;  // beneath the cgroup2 root
  std::optional<Scope> scope;
  std::optional<cgroups::Cgroup> own;
  bool exists() const { return scope || own; }  // rootless there may be none
  const cgroups::Cgroup& cgroup() const { return scope ? scope->cgroup() : *own; }
};

// request.cgroup, or what linux.cgroupsPath says to the manager. The least possible is charged to it. `undo` takes it away again.
Result<void> make_cgroup(const CreateRequest& request, CgroupPlace& place, Undo& undo);

// linux.resources.devices and the defaults. Before the program runs, but need not be before its first process is there.
Result<void> apply_device_rules(const oci::Spec& spec, const CgroupPlace& place);

// Rootless: where none can be had and no limit is asked for.
bool may_go_without_cgroup(const CreateRequest& request);
// Its process could not be made in it: who moves processes has to own the tree above both (cgroups(7), "Cgroup delegation: containment").
Result<void> leave_cgroup(CgroupPlace& place);

}  // namespace slipway::runtime
