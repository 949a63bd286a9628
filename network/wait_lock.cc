// Tries and pauses: a blocking flock(2) has no time-out.
#include "network/wait_lock.h"

#include <poll.h>
#include <sys/file.h>

#include <cerrno>

namespace slipway::network {

Result<bool> wait_lock(FdRef file, int tries) {
  constexpr int kPause = 20;  // milliseconds
  for (; tries > 0; --tries) {
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno(errno, "flock");
    (void)::poll(nullptr, 0, kPause);
  }
  return false;
}

}  // namespace slipway::network
