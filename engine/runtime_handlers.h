// Runtime handlers: which runner makes a pod's containers (CRI's runtime_handler, a RuntimeClass's handler), and with which options.
//
// Plain values, fixed for slipwayd's life. slipway's own runner is a handler too: "slipway", without a binary.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/types.h"

namespace slipway::engine {

inline constexpr const char* kOwnRuntime = "slipway";

struct RuntimeHandler {
  std::string name;
  std::string binary;               // of another OCI runtime, absolute; empty: slipway's own runner
  std::string root;                 // where that runtime keeps its state
  std::string cgroup_manager;       // "cgroupfs" or "systemd"
  Annotations default_annotations;  // of every container's OCI specification
  // Names of annotations of the pod and of the container that go into the OCI specification; one may end in '*'.
  std::vector<std::string> pod_annotations, container_annotations;
  bool privileged_without_host_devices = false;

  // What it says of itself (probe_runtime).
  bool recursive_read_only_mounts = false;
  bool user_namespaces = false;  // slipway's own alone: pods' directories are closed to a user namespace's root (docs/known-holes.md)
  bool exec_cgroup = false;      // its exec knows --cgroup

  bool own() const { return binary.empty(); }
  bool systemd() const { return cgroup_manager == "systemd"; }
};

struct RuntimeHandlers {
  std::vector<RuntimeHandler> all = {RuntimeHandler{.name = kOwnRuntime}};
  std::string default_name = kOwnRuntime;  // what pods without a handler get

  // nullptr: there is none of that name.
  const RuntimeHandler* find(std::string_view name) const;
  // The handler's name that a pod's runtime_handler means; invalid_argument where there is none of that name, with those there are.
  Result<std::string> resolve(const std::string& runtime_handler) const;
};

// Asks the binary by `features` (runtime-spec features.md) and `exec --help`. One that cannot be started is an error; one that does not
// know `features` has none.
Result<void> probe_runtime(RuntimeHandler& handler);
// Of `features`' answer.
void read_features(std::string_view json, RuntimeHandler& handler);

// Whether a list of annotations' names has `name`. What tells a runtime what to do on the host has to be meant: a '*' that begins before
// org.systemd.property., org.criu. or run.oci. does not cover it.
bool lets_through(const std::vector<std::string>& names, std::string_view name);

// linux.cgroupsPath for another runtime: of a scope "SLICE:PREFIX:NAME", else the path itself.
std::string foreign_cgroups_path(const std::string& cgroup);

// `delete` in the runtime that made a container, and what it may leave: a mounted root, its state directory. By the record alone: the
// handler may be gone from the configuration, its binary from the disk. Nothing to do = ok.
Result<void> delete_in_runtime(const ContainerRecord& record, const std::string& bundle);

}  // namespace slipway::engine
