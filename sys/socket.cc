// Unix sockets.
#include "sys/socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/weaken.h"
#include "sys/file.h"

namespace slipway::sys {
namespace {

constexpr time_t kUnixPatience = 10;  // seconds

Result<std::pair<UniqueFd, UniqueFd>> pair_of(int type) {
  int fds[2] = {-1, -1};
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) return fail_errno(errno, "make a socket pair");
  return std::pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// An address; a long path goes through /proc/self/fd of its directory, which `dir` keeps open.
Result<sockaddr_un> address_of(const std::string& path, UniqueFd& dir) {
  if (path.empty()) return fail(Code::invalid_argument, "the path of a socket is empty");  // it would be an abstract address, anybody's
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string text = path;
  if (text.size() >= sizeof address.sun_path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return fail(Code::invalid_argument, "socket path '{}' is too long", path);
    TRY_ASSIGN(dir, open_path(path.substr(0, slash), O_PATH | O_DIRECTORY));
    text = fmt::format("/proc/self/fd/{}{}", dir.get(), path.substr(slash));
    if (text.size() >= sizeof address.sun_path) return fail(Code::invalid_argument, "socket name '{}' is too long", path.substr(slash + 1));
  }
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  if (weakened(Defence::path_sockets)) address.sun_path[0] = '\0';
  return address;
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> seqpacket_pair() {
  return pair_of(SOCK_SEQPACKET);
}
Result<std::pair<UniqueFd, UniqueFd>> stream_pair() {
  return pair_of(SOCK_STREAM);
}

Result<UniqueFd> listen_unix(const std::string& path, int type, int backlog) {
  UniqueFd dir;
  TRY_ASSIGN(const sockaddr_un address, address_of(path, dir));
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "make a socket");
  // The mode of the socket's inode is taken over by bind: no moment in which others could connect.
  if (::fchmod(fd.get(), 0600) != 0) return fail_errno(errno, "set the mode of socket '{}'", path);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return fail_errno(errno, "bind '{}'", path);
  if (::listen(fd.get(), backlog) != 0) return fail_errno(errno, "listen on '{}'", path);
  return fd;
}

Result<UniqueFd> connect_unix(const std::string& path, int type) {
  UniqueFd dir;
  TRY_ASSIGN(const sockaddr_un address, address_of(path, dir));
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "make a socket");
  // A listener that takes nobody, a peer that reads nothing (a stopped process): EAGAIN after this, not for ever.
  const timeval patience{kUnixPatience, 0};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0) return fail_errno(errno, "limit a socket's waits");
  if (retry_eintr([&] { return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address); }) != 0)
    return fail_errno(errno, "connect to '{}'", path);
  return fd;
}

Result<void> send_packet(FdRef socket, std::string_view data, std::span<const int> fds, bool wait) {
  if (fds.size() > kMaxPacketFds) return fail(Code::internal, "send {} descriptors: at most {} go in a packet", fds.size(), kMaxPacketFds);
  iovec part{const_cast<char*>(data.data()), data.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  const int flags = MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT);
  const ssize_t n = retry_eintr([&] { return ::sendmsg(socket.get(), &message, flags); });
  if (n < 0) return fail_errno(errno, "send a packet of {} bytes", data.size());
  return {};
}

Result<Packet> receive_packet(FdRef socket, std::size_t limit, bool wait) {
  Packet packet;
  packet.data.resize(limit);
  iovec part{packet.data.data(), limit};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds) + CMSG_SPACE(sizeof(ucred))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const int flags = MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT);
  ssize_t n = retry_eintr([&] { return ::recvmsg(socket.get(), &message, flags); });
  // Said once, before the packets that are still there: the peer went without having read all of ours (unix(7)).
  if (n < 0 && errno == ECONNRESET) n = retry_eintr([&] { return ::recvmsg(socket.get(), &message, flags); });
  if (n < 0) return fail_errno(errno, "receive a packet");
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_CREDENTIALS) {
      ucred credentials{};
      std::memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
      packet.sender = credentials.pid;
    }
    if (header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      packet.fds.emplace_back(fd);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return fail(Code::data_loss, "receive a packet: more than {} bytes or {} descriptors", limit, kMaxPacketFds);
  packet.data.resize(static_cast<std::size_t>(n));
  packet.eof = n == 0;
  return packet;
}

Result<void> want_senders(FdRef socket) {
  const int on = 1;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) return fail_errno(errno, "ask for senders");
  return {};
}

Result<Peer> peer_of(FdRef socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return fail_errno(errno, "ask who connected");
  return Peer{credentials.pid, credentials.uid};
}

}  // namespace slipway::sys
