// There and back.
#include "runtime/momentary_mounts.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/mount.h"
#include "sys/namespace.h"

namespace slipway::runtime {

Result<void> MomentaryMounts::enter(const std::string& reason, std::uint64_t propagation) {
  TRY_ASSIGN(directory_, sys::open_path(".", O_PATH | O_DIRECTORY));
  TRY_ASSIGN(UniqueFd home, sys::open_path("/proc/self/ns/mnt", O_RDONLY));
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno(errno, "make a mount namespace for {}", reason);
  home_ = std::move(home);
  TRY_ASSIGN(root_, sys::open_path("/", O_PATH | O_DIRECTORY));
  return sys::set_attributes(root_, {.set = 0, .clear = 0, .propagation = propagation, .recursive = true});
}

Result<void> MomentaryMounts::leave() {
  if (!home_) return {};
  const UniqueFd home = std::move(home_);
  TRY(sys::join_namespace(home, CLONE_NEWNS));
  if (::fchdir(directory_.get()) != 0) return fail_errno(errno, "change the working directory back");
  return {};
}

}  // namespace slipway::runtime
