// A directory of images becomes a running container.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cgroups/cgroup.h"
#include "oci/spec.h"
#include "runtime/criu/dump.h"
#include "runtime/runner.h"

namespace slipway::runtime::criu {

struct RestoreRequest {
  std::string program;  // criu, absolute
  std::string keyring;  // a new session keyring's name; empty: the container keeps ours
  const oci::Spec* spec = nullptr;
  std::string bundle;
  Directories directories;
  Options options;  // what the user chose; the rest is filled in
  Stdio stdio;
  const cgroups::Cgroup* cgroup = nullptr;  // made and limited
  std::string cgroup_path;                  // beneath the cgroup2 root
  // The namespaces are made, nothing runs in them: where createRuntime hooks have their place.
  std::function<Result<void>(pid_t)> environment_made;
  // All processes are there and wait; the console, where there is one. An error ends them.
  std::function<Result<void>(pid_t, UniqueFd console)> restored;
};

// The container's first process is our child and runs. On error nothing of it is left.
Result<void> restore(const RestoreRequest& request);

}  // namespace slipway::runtime::criu
