// linux.intelRdt: the container's class of service and its monitoring group in the resctrl file system (config-linux.md, "IntelRdt").
//
//   ROOT/schemata, tasks            the default class, closID "/"
//   ROOT/NAME/schemata, tasks       a class; NAME is closID, or the container's id: then it is the container's own
//   …/mon_groups/ID/tasks           with enableMonitoring
//
// The kernel fills a directory that is made there and empties one that is removed; `Resctrl` has both as functions, so that tests work on
// a tree of files. One thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/undo.h"
#include "oci/spec.h"

namespace slipway::runtime {

struct Resctrl {
  std::string root;
  std::function<Result<void>(const std::string& path)> make;
  std::function<Result<void>(const std::string& path)> remove;  // absent = ok
};

// Where it is mounted, by the kernel's word; failed_precondition: nowhere.
Result<Resctrl> find_resctrl();

struct RdtGroup {
  std::string path;               // of the class
  std::string monitoring;         // "" = none
  std::vector<std::string> made;  // what goes with the container, in that order
};

// What config.json asks for, made where it is not there; an existing class has to have the schemata that are asked for. On error nothing
// is left.
Result<RdtGroup> make_rdt_group(const Resctrl& resctrl, const oci::IntelRdt& asked, const std::string& id);
// The same names without making anything: of a container that runs, or that was half made. `made` has what would have been.
RdtGroup rdt_group_of(const Resctrl& resctrl, const oci::IntelRdt& asked, const std::string& id);

// Other schemata for a class that is there, whoever shares it: `update`.
Result<void> change_schemata(const Resctrl& resctrl, const RdtGroup& group, const oci::IntelRdt& asked);

// Its children come after it. 0 = the caller.
Result<void> enter_rdt_group(const RdtGroup& group, pid_t pid);

// All are tried; the first error is returned.
Result<void> remove_rdt_groups(const Resctrl& resctrl, const std::vector<std::string>& paths);

// Whether `schemata`, the file of a class, says what `line` asks for: each domain it names, numbers by value.
bool has_schema(const std::string& schemata, const std::string& line);

}  // namespace slipway::runtime
