// Packets between the monitor and its controller.
#include "monitor/link.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "sys/descriptor.h"
#include "sys/file.h"
#include "sys/socket.h"

namespace slipway::monitor {
namespace {

// Only the pages that a packet fills are ever touched.
std::array<char, kMaxPacket> buffer;

struct Received {
  std::size_t size = 0;
  std::vector<UniqueFd> fds;
  bool end = false;    // closed, or broken beyond use
  bool again = false;  // nothing there
};

Received receive_into_buffer(int socket) {
  Received out;
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * sys::kMaxPacketFds)];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = sys::retry_eintr([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT); });
  if (n < 0) {
    out.again = errno == EAGAIN;
    out.end = !out.again;
    return out;
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      out.fds.emplace_back(fd);
    }
  }
  out.size = static_cast<std::size_t>(n);
  out.end = n == 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  return out;
}

}  // namespace

Result<void> Link::listen(const std::string& path) {
  TRY_ASSIGN(listener_, sys::listen_unix(path, SOCK_SEQPACKET));
  path_ = path;
  TRY(sys::set_nonblocking(listener_));
  return watch_.start(loop_, listener_, EPOLLIN, [this](std::uint32_t) { on_connect(); });
}

void Link::close() {
  watch_.stop();
  if (listener_) (void)::unlink(path_.c_str());
  listener_.reset();
}

void Link::on_connect() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return;
  const auto peer = sys::peer_of(fd);
  if (!peer.ok() || peer.value().uid != ::geteuid()) return;  // root's monitor serves root only
  auto connection = std::make_unique<Connection>();
  connection->id = next_id_++;
  connection->fd = std::move(fd);
  if (!connection->watch.start(loop_, connection->fd, EPOLLIN, [this, at = connection.get()](std::uint32_t e) { on_ready(*at, e); }).ok())
    return;
  newcomer_ = std::move(connection);  // at most one that has not said Hello: an older one is closed
}

void Link::on_ready(Connection& connection, std::uint32_t events) {
  if ((events & EPOLLOUT) != 0 && !flush(connection)) return drop(connection);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !receive(connection)) drop(connection);
}

bool Link::receive(Connection& connection) {
  Received received = receive_into_buffer(connection.fd.get());
  if (received.again) return true;
  const bool good = !received.end && dispatch(connection, received.size, std::move(received.fds));
  // An exec's process object may have been in it: no fork shall inherit an environment.
  ::explicit_bzero(buffer.data(), received.size);
  return good;
}

bool Link::dispatch(Connection& connection, std::size_t size, std::vector<UniqueFd> fds) {
  Packet packet;
  if (!packet.ParseFromArray(buffer.data(), static_cast<int>(size)) || !packet.has_request()) return false;
  Request& request = *packet.mutable_request();
  if (&connection == newcomer_.get()) {
    if (!request.has_hello()) return false;
    controller_ = std::move(newcomer_);  // the newest wins: the older connection is closed by this
  }
  requests_.on_request(connection.id, request, std::move(fds));
  return true;
}

void Link::reply(ControllerId to, const Reply& reply, std::vector<UniqueFd> fds) {
  if (controller_ == nullptr || controller_->id != to) return;
  Packet packet;
  *packet.mutable_reply() = reply;
  send(*controller_, packet, std::move(fds));
}

void Link::event(const Event& event) {
  if (controller_ == nullptr) return;
  Packet packet;
  *packet.mutable_event() = event;
  send(*controller_, packet, {});
}

void Link::send(Connection& connection, const Packet& packet, std::vector<UniqueFd> fds) {
  Outgoing outgoing;
  packet.SerializeToString(&outgoing.data);
  outgoing.fds = std::move(fds);
  connection.queue.push_back(std::move(outgoing));
  // A connection that cannot be used any more is closed by its own event: a caller may be in the middle of one.
  if (!flush(connection) || connection.queue.size() > kMaxQueued) (void)::shutdown(connection.fd.get(), SHUT_RDWR);
}

bool Link::flush(Connection& connection) {
  while (!connection.queue.empty()) {
    const Outgoing& next = connection.queue.front();
    std::vector<int> fds;
    for (const UniqueFd& fd : next.fds) fds.push_back(fd.get());
    const auto sent = sys::send_packet(connection.fd, next.data, fds, false);
    if (!sent.ok() && sent.error().sys_errno == EAGAIN) break;
    if (!sent.ok()) {
      connection.queue.clear();
      return false;
    }
    connection.queue.pop_front();
  }
  const bool wanted = !connection.queue.empty();
  if (wanted != connection.writable_wanted) {
    connection.writable_wanted = wanted;
    if (!connection.watch.change(wanted ? EPOLLIN | EPOLLOUT : EPOLLIN).ok()) return false;
  }
  return true;
}

void Link::drop(Connection& connection) {
  if (&connection == controller_.get())
    controller_.reset();
  else if (&connection == newcomer_.get())
    newcomer_.reset();
}

}  // namespace slipway::monitor
