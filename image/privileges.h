// What slipway-image gives up before it reads its first byte from outside.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace slipway::image {

struct Confinement {
  std::string root;                   // may be written
  std::vector<std::string> readable;  // beside what name resolution and TLS need
  std::string faults;                 // tests only: the directory of fault points, which may be written; empty = none
};

// Call while there is one thread. Afterwards: no new privileges, not dumpable, of all capabilities only those that unpacking needs, file
// access by Landlock (where the kernel has it, ABI ≥ 2) only to `root` and to read-only configuration, no system call that makes mounts,
// namespaces, programs, keys or BPF, core dumps off, memory bounded. A person without root keeps what she has of it.
Result<void> confine(const Confinement& wish);

}  // namespace slipway::image
