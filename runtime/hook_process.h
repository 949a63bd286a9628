// One hook as a process: cloned, in the namespaces it is for, executed.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sys/process.h"

namespace slipway::runtime {

struct HookProcess {
  std::string path;
  std::vector<std::string> args;  // empty: the path alone
  std::vector<std::string> env;
  std::string directory;
  int input = -1;         // borrowed
  int output = -1;        // borrowed; standard output and error
  int pidfd = -1;         // borrowed: whose namespaces are entered; -1 = the caller's stay
  int namespaces = 0;     // CLONE_NEW… of them, without the PID namespace
  bool own_pids = false;  // be born into its PID namespace
};

// The leader of a new process group. Returns when the program was executed, or with the reason why it could not be.
Result<sys::Child> start_hook(const HookProcess& process);

}  // namespace slipway::runtime
