// criu as a child of ours, with what its restored processes inherit from it rather than from the images.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sys/process.h"

namespace slipway::runtime::criu {

struct CriuProcess {
  std::string program;             // absolute
  std::vector<std::string> env;    // all that it gets
  std::vector<int> descriptors;    // borrowed; become 0, 1, 2, …, and nothing else is open
  bool no_new_privileges = false;  // criu 3.17 does not restore it
  std::string keyring;             // a new session keyring of that name; empty: ours
};

// In the namespaces that we are in now.
Result<sys::Child> start_criu(const CriuProcess& process);

}  // namespace slipway::runtime::criu
