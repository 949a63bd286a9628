// Links and addresses of a network namespace over rtnetlink(7): as much as moving a device to another one takes.
//
// A socket belongs to the namespace that its maker is in; one thread at a time. Answers of the kernel are bounded by its own datagrams.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::sys {

struct LinkAddress {
  std::uint8_t family = 0;
  std::uint8_t prefix = 0;
  std::string local;      // as the kernel has it, 4 or 16 bytes
  std::string broadcast;  // empty: none
};

class RouteSocket {
 public:
  static Result<RouteSocket> open();
  // In another namespace: this process is there for a moment.
  static Result<RouteSocket> open_in(FdRef network_namespace);

  // not_found where there is no such device.
  Result<int> link_index(const std::string& name, bool* up = nullptr) const;
  // The global, permanent ones: what somebody has set, not what came from a router.
  Result<std::vector<LinkAddress>> addresses(int link) const;
  // Under a new name; taken already = already_exists. The kernel takes the device down and its addresses away.
  Result<void> move_link(int link, FdRef network_namespace, const std::string& name) const;
  Result<void> add_address(int link, const LinkAddress& address) const;
  Result<void> set_up(int link) const;

 private:
  explicit RouteSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace slipway::sys
