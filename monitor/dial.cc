// connect(2) inside the pod's network namespace.
#include "monitor/dial.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>

#include "sys/file.h"
#include "sys/namespace.h"

namespace slipway::monitor {
namespace {

constexpr int kConnectMs = 10'000;  // loopback answers at once unless the listener's backlog is full

template <class Address>
Result<UniqueFd> connect_to(int family, const Address& address) {
  UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno(errno, "make a socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return socket;
  if (errno != EINPROGRESS) return fail_errno(errno, "connect");
  pollfd polled{socket.get(), POLLOUT, 0};
  if (sys::retry_eintr([&] { return ::poll(&polled, 1, kConnectMs); }) == 0) return fail_errno(ETIMEDOUT, "connect");
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return fail_errno(errno, "getsockopt");
  if (error != 0) return fail_errno(error, "connect");
  return socket;
}

Result<UniqueFd> dial(const DialWork& work) {
  if (!work.network.empty()) {
    TRY_ASSIGN(const UniqueFd network, sys::open_namespace(work.network, CLONE_NEWNET));
    TRY(sys::join_namespace(network, CLONE_NEWNET));
  }
  const auto port = static_cast<std::uint16_t>(work.port);
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto first = connect_to(AF_INET, four);
  if (first.ok()) return first;
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  six.sin6_addr = in6addr_loopback;
  auto second = connect_to(AF_INET6, six);
  if (second.ok()) return second;
  Error error = std::move(first).error();
  error.code = Code::unavailable;
  return std::move(error).within("connect to port {} of the pod's loopback", work.port);
}

}  // namespace

void run_dial(const DialWork& work, Outcome& outcome) {
  auto socket = dial(work);
  if (socket.ok()) {
    outcome.fds.push_back(std::move(socket).take());
  } else {
    set_error(outcome.reply, socket.error());
  }
}

}  // namespace slipway::monitor
