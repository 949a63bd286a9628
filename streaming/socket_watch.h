// Whether the client at the other end of a socket is still there, asked without reading from it.
#pragma once

#include <poll.h>

namespace slipway::streaming {

// Clients of these protocols never half-close their TCP connection: its FIN means that they are gone, also while unread bytes wait before
// it.
inline bool peer_is_gone(int socket) {
  pollfd polled{socket, POLLRDHUP, 0};
  return ::poll(&polled, 1, 0) > 0 && (polled.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace slipway::streaming
