// pipe2(2), memfd_create(2) and fcntl(2).
#include "sys/descriptor.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.h"

namespace slipway::sys {

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<UniqueFd> memory_file(const char* name, std::string_view text) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return fail_errno(errno, "make the memory file '{}'", name);
  TRY(write_all(fd, text));
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return fail_errno(errno, "rewind the memory file '{}'", name);
  return fd;
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

}  // namespace slipway::sys
