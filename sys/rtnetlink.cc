// Messages to the kernel's routing socket, and its answers.
#include "sys/rtnetlink.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#include "sys/file.h"
#include "sys/namespace.h"

namespace slipway::sys {
namespace {

constexpr std::size_t kAnswer = 64 << 10;

// A request: header, fixed part, attributes, each at a multiple of four.
class Request {
 public:
  template <class Fixed>
  Request(std::uint16_t type, std::uint16_t flags, const Fixed& fixed) {
    nlmsghdr header = {};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    header.nlmsg_seq = 1;
    append(&header, sizeof header);
    append(&fixed, sizeof fixed);
  }
  void put(std::uint16_t type, std::string_view value) {
    const rtattr attribute = {static_cast<std::uint16_t>(sizeof attribute + value.size()), type};
    append(&attribute, sizeof attribute);
    append(value.data(), value.size());
  }
  void put(std::uint16_t type, std::uint32_t value) { put(type, {reinterpret_cast<const char*>(&value), sizeof value}); }
  std::string_view text() {
    const auto size = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &size, sizeof size);  // nlmsg_len is the first member
    return bytes_;
  }

 private:
  void append(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
  }
  std::string bytes_;
};

using Take = std::function<void(const nlmsghdr&, std::string_view body)>;

// One datagram's messages; true when there is nothing more to come.
Result<bool> take_messages(std::string_view data, const Take& take) {
  while (data.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, data.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > data.size())
      return fail(Code::internal, "rtnetlink: a message of {} bytes", header.nlmsg_len);
    const std::string_view body = data.substr(sizeof header, header.nlmsg_len - sizeof header);
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR) {
      int error = 0;
      if (body.size() < sizeof error) return fail(Code::internal, "rtnetlink: an error of {} bytes", body.size());
      std::memcpy(&error, body.data(), sizeof error);
      if (error != 0) return fail_errno(-error, "rtnetlink");
      return true;
    }
    if (take) take(header, body);
    data.remove_prefix(std::min<std::size_t>((header.nlmsg_len + 3) & ~3U, data.size()));
  }
  return false;
}

Result<void> talk(FdRef socket, Request request, const Take& take = {}) {
  const std::string_view text = request.text();
  if (retry_eintr([&] { return ::send(socket.get(), text.data(), text.size(), 0); }) < 0) return fail_errno(errno, "rtnetlink");
  std::string buffer(kAnswer, '\0');
  for (;;) {
    const ssize_t n = retry_eintr([&] { return ::recv(socket.get(), buffer.data(), buffer.size(), MSG_TRUNC); });
    if (n < 0) return fail_errno(errno, "rtnetlink");
    if (static_cast<std::size_t>(n) > buffer.size()) return fail(Code::data_loss, "rtnetlink: an answer of {} bytes", n);
    TRY_ASSIGN(const bool done, take_messages({buffer.data(), static_cast<std::size_t>(n)}, take));
    if (done) return {};
  }
}

// f(type, value) for each attribute after a fixed part.
template <class F>
void attributes(std::string_view body, std::size_t fixed, F&& f) {
  body.remove_prefix(std::min((fixed + 3) & ~std::size_t{3}, body.size()));
  while (body.size() >= sizeof(rtattr)) {
    rtattr attribute;
    std::memcpy(&attribute, body.data(), sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > body.size()) return;
    f(attribute.rta_type, body.substr(sizeof attribute, attribute.rta_len - sizeof attribute));
    body.remove_prefix(std::min<std::size_t>((attribute.rta_len + 3U) & ~3U, body.size()));
  }
}

std::string_view with_nul(const std::string& name) {
  return {name.c_str(), name.size() + 1};
}

}  // namespace

Result<RouteSocket> RouteSocket::open() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return fail_errno(errno, "open a routing socket");
  return RouteSocket(std::move(fd));
}

Result<RouteSocket> RouteSocket::open_in(FdRef network_namespace) {
  TRY_ASSIGN(const UniqueFd home, open_path("/proc/self/ns/net", O_RDONLY));
  TRY(join_namespace(network_namespace, CLONE_NEWNET));
  auto socket = open();
  TRY(join_namespace(home, CLONE_NEWNET));
  return socket;
}

Result<int> RouteSocket::link_index(const std::string& name, bool* up) const {
  Request request(RTM_GETLINK, NLM_F_ACK, ifinfomsg{});
  request.put(IFLA_IFNAME, with_nul(name));
  int index = 0;
  auto done = talk(fd_, request, [&](const nlmsghdr&, std::string_view body) {
    ifinfomsg info;
    if (body.size() < sizeof info) return;
    std::memcpy(&info, body.data(), sizeof info);
    index = info.ifi_index;
    if (up != nullptr) *up = (info.ifi_flags & IFF_UP) != 0;
  });
  if (!done.ok() && done.error().sys_errno == ENODEV) return fail(Code::not_found, "there is no network device '{}'", name);
  if (!done.ok()) return std::move(done).error().within("network device '{}'", name);
  return index;
}

Result<std::vector<LinkAddress>> RouteSocket::addresses(int link) const {
  std::vector<LinkAddress> out;
  TRY(talk(fd_, Request(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{}), [&](const nlmsghdr&, std::string_view body) {
    ifaddrmsg info;
    if (body.size() < sizeof info) return;
    std::memcpy(&info, body.data(), sizeof info);
    if (static_cast<int>(info.ifa_index) != link || info.ifa_scope != RT_SCOPE_UNIVERSE || (info.ifa_flags & IFA_F_PERMANENT) == 0) return;
    LinkAddress address{info.ifa_family, info.ifa_prefixlen, {}, {}};
    std::string any;
    attributes(body, sizeof info, [&](std::uint16_t type, std::string_view value) {
      if (type == IFA_LOCAL) address.local = value;
      if (type == IFA_ADDRESS) any = value;  // of the other end, where there is a local one
      if (type == IFA_BROADCAST) address.broadcast = value;
    });
    if (address.local.empty()) address.local = any;
    out.push_back(std::move(address));
  }));
  return out;
}

Result<void> RouteSocket::move_link(int link, FdRef network_namespace, const std::string& name) const {
  ifinfomsg info = {};
  info.ifi_index = link;
  Request request(RTM_SETLINK, NLM_F_ACK, info);
  request.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(network_namespace.get()));
  request.put(IFLA_IFNAME, with_nul(name));
  return talk(fd_, request);
}

Result<void> RouteSocket::add_address(int link, const LinkAddress& address) const {
  ifaddrmsg info = {};
  info.ifa_family = address.family;
  info.ifa_prefixlen = address.prefix;
  info.ifa_index = static_cast<std::uint32_t>(link);
  Request request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, info);
  request.put(IFA_LOCAL, address.local);
  request.put(IFA_ADDRESS, address.local);
  if (!address.broadcast.empty()) request.put(IFA_BROADCAST, address.broadcast);
  return talk(fd_, request);
}

Result<void> RouteSocket::set_up(int link) const {
  ifinfomsg info = {};
  info.ifi_index = link;
  info.ifi_flags = IFF_UP;
  info.ifi_change = IFF_UP;
  return talk(fd_, Request(RTM_SETLINK, NLM_F_ACK, info));
}

}  // namespace slipway::sys
