// What `create` and `run` have in common: bundle and flags to a container with its state directory.
#pragma once

#include "runtime/command/command.h"
#include "runtime/command/inherited.h"

namespace slipway::runtime::command {

struct MakeOptions {
  std::string id;
  std::string bundle;  // absolute
  std::string config;  // in the bundle, or absolute
  std::string pid_file;
  std::string console_socket;
  std::string pidfd_socket;
  bool no_pivot = false;
  bool no_new_keyring = false;
  Inherited inherited;
  bool wait_for_start = false;
};

extern const std::span<const Option> kMakeOptions;
Result<MakeOptions> make_options(const Arguments& arguments);

// config.json of options.bundle, valid; its text too.
Result<oci::Spec> load_spec(const MakeOptions& options, std::string* text);
// As far as it is known before there is a process.
ContainerRecord new_record(const Global& global, const MakeOptions& options, const oci::Spec& spec);

struct Made {
  StateDir dir;
  ContainerRecord record;
  Created created;
  bool terminal = false;
  std::string program;  // process.args[0]
  bool waits = false;   // for start_container
};

// On error nothing is left. The console's master has gone to the console socket if there is one.
Result<Made> make_container(const Global& global, const MakeOptions& options, bool foreground);

// startContainer hooks, the program, poststart hooks. The directory is locked.
Result<void> start_container(const StateDir& dir, const ContainerRecord& record);

// What is left of a container whose processes are gone or shall be: cgroup, then directory, then the poststop hooks.
Result<void> remove_container(const StateDir& dir, const ContainerRecord& record);
// The same after its program ended in the foreground. Not if the name has become another's meanwhile: one that was restored.
Result<void> remove_ended(const StateDir& dir, const ContainerRecord& record);

}  // namespace slipway::runtime::command
