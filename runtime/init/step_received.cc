// The detached mounts that the runner made after the clone, as descriptors.
#include <string.h>
#include <sys/socket.h>

#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

struct Received {
  int fds[kMostDescriptors];
  std::uint32_t count = 0;
  std::uint32_t taken = 0;
};

int receive_some(int socket, Received& to) noexcept {
  Message message{};
  iovec part = {&message, sizeof message};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof to.fds)];
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t n = 0;
  do {
    n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return -1;
  errno = n == 0 ? EPIPE : EBADMSG;  // EPIPE: the runner is gone
  const cmsghdr* rights = CMSG_FIRSTHDR(&header);
  if (n != static_cast<ssize_t>(sizeof message) || message.kind != Kind::mounts || message.index == 0 || rights == nullptr) return -1;
  if (message.index > kMostDescriptors || rights->cmsg_len != CMSG_LEN(message.index * sizeof(int))) return -1;
  ::memcpy(to.fds, CMSG_DATA(rights), message.index * sizeof(int));
  to.count = message.index;
  to.taken = 0;
  return 0;
}

int next(int socket, Received& from, int* to) noexcept {
  if (from.taken == from.count && receive_some(socket, from) != 0) return -1;
  *to = from.fds[from.taken++];
  return 0;
}

}  // namespace

Failure receive_mounts(const InitPlan& plan, Progress& progress) noexcept {
  RootPlan& root = *progress.root;
  if (!root.awaited) return {};
  Received received;
  if (next(plan.sync_fd, received, &root.fd) != 0) return failed(Step::mounts);
  if (!root.masked.empty() &&
      (next(plan.sync_fd, received, &root.mask_file) != 0 || next(plan.sync_fd, received, &root.mask_directory) != 0))
    return failed(Step::mounts, 1);
  for (const MountEntry& entry : root.mounts) {
    // Our copy of the runner's vector.
    if (entry.awaited && next(plan.sync_fd, received, &const_cast<MountEntry&>(entry).fd) != 0) return failed(Step::mounts, 2);
  }
  return {};
}

}  // namespace slipway::runtime::init
