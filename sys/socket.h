// Unix sockets: pairs, listeners, packets with descriptors (unix(7), SCM_RIGHTS).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::sys {

inline constexpr std::size_t kMaxPacketFds = 16;

Result<std::pair<UniqueFd, UniqueFd>> seqpacket_pair();
Result<std::pair<UniqueFd, UniqueFd>> stream_pair();

// `type`: SOCK_STREAM or SOCK_SEQPACKET. A path beyond sun_path's 107 bytes is reached through its directory's descriptor.
// The socket file is made with mode 0600; a file that is there already is EADDRINUSE.
Result<UniqueFd> listen_unix(const std::string& path, int type, int backlog = 64);
// Connecting and sending wait ten seconds at most: then EAGAIN.
Result<UniqueFd> connect_unix(const std::string& path, int type);

// One packet, whole or not at all; never SIGPIPE. `wait` = false: EAGAIN is an error with that errno.
Result<void> send_packet(FdRef socket, std::string_view data, std::span<const int> fds = {}, bool wait = true);

struct Packet {
  std::string data;
  std::vector<UniqueFd> fds;
  pid_t sender = 0;  // by the kernel's word, after want_senders(); 0: not known
  bool eof = false;
};

// Packets received here from now on tell who sent them (SO_PASSCRED): a descriptor of the other end may have come into more hands than one.
Result<void> want_senders(FdRef socket);

// Longer than `limit` bytes or with more than kMaxPacketFds descriptors: data_loss, what came is closed.
Result<Packet> receive_packet(FdRef socket, std::size_t limit, bool wait = true);

// uid and pid of who connected (SO_PEERCRED).
struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
};
Result<Peer> peer_of(FdRef socket);

}  // namespace slipway::sys
