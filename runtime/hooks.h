// Hooks: programs that config.json wants run at points of the container's life (runtime-spec config.md, "POSIX-platform Hooks").
//
//   create   prestart, createRuntime        the caller's namespaces    namespaces and mounts are made, the root is not changed yet
//            createContainer                the container's            the same moment; the host's tree is still there
//   start    startContainer                 inside, confined           before the program; as one more process of the container (exec)
//            poststart                      the caller's               the program runs; a failure ends it
//   delete   poststop                       the caller's               nothing of the container is left
//
// A hook gets the state of the container on its standard input, the environment that config.json gives it and nothing else, the bundle as
// its working directory and a process group of its own, which ends with its time-out. What it prints is part of the error. One thread,
// which may have no other children waited for meanwhile.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"
#include "runtime/container_record.h"
#include "sys/process.h"

namespace slipway::runtime {

enum class HookKind { prestart, create_runtime, create_container, start_container, poststart, poststop };
std::string_view to_string(HookKind kind);  // "createRuntime"
const std::vector<oci::Hook>& hooks_of(const oci::Spec& spec, HookKind kind);

// Is there something to do before the root is changed; after the creation?
bool has_create_hooks(const oci::Spec& spec);
bool has_later_hooks(const oci::Spec& spec);

// The record that a state for hooks is written from, as far as config.json tells.
ContainerRecord hook_record(const oci::Spec& spec, const std::string& id, const std::string& bundle);

// The container's process, whose namespaces a hook enters.
struct HookTarget {
  pid_t pid = 0;
  int pidfd = -1;          // borrowed
  bool own_users = false;  // it is in a user namespace of its own
  bool own_pids = false;   // in a PID namespace of its own: with others' processes in it they could take the hook over
};

// All of one kind, in their order, until one fails: its error names it. `target`: nullptr for the caller's namespaces.
Result<void> run_hooks(const oci::Spec& spec, HookKind kind, const ContainerRecord& record, Status status,
                       const HookTarget* target = nullptr);
// The same for kinds whose failures change nothing: each is returned.
std::vector<Error> run_hooks_to_end(const oci::Spec& spec, HookKind kind, const ContainerRecord& record, Status status);

// startContainer: by exec() in the waiting container, with the container's user, capabilities and filter.
Result<void> run_start_hooks(const oci::Spec& spec, const ContainerRecord& record, FdRef pidfd);

}  // namespace slipway::runtime
