// pipe2(2) and fcntl(2).
#include "engine/stream_pipes.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace slipway::engine {

Result<Pipe> make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<void> set_nonblocking(FdRef fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return fail_errno(errno, "make a descriptor non-blocking");
  return {};
}

Result<UniqueFd> copy_fd(FdRef fd) {
  UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail_errno(errno, "copy a descriptor");
  return copy;
}

}  // namespace slipway::engine
