// A mount namespace for a moment: this process is in it between enter() and leave(), and what it starts meanwhile stays there.
//
// One thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::runtime {

class MomentaryMounts {
 public:
  MomentaryMounts() = default;
  MomentaryMounts(const MomentaryMounts&) = delete;
  MomentaryMounts& operator=(const MomentaryMounts&) = delete;
  ~MomentaryMounts() { (void)leave(); }

  // A copy of ours. `propagation` of all of it: MS_PRIVATE, or MS_SLAVE where the host's mounts shall end in it when they end there; either
  // way nothing of ours gets to the host. `reason` is for the error: "id-mapped layers".
  Result<void> enter(const std::string& reason, std::uint64_t propagation);
  FdRef root() const { return root_; }
  // Back where this process was. That it stayed elsewhere would be noticed too late: it is an error.
  Result<void> leave();

 private:
  UniqueFd directory_, home_, root_;
};

}  // namespace slipway::runtime
