// Moving network devices.
#include "runtime/net_devices.h"

#include "sys/rtnetlink.h"

namespace slipway::runtime {
namespace {

Result<void> move_one(const sys::RouteSocket& here, const sys::RouteSocket& there, FdRef network_namespace, const std::string& from,
                      const std::string& to) {
  TRY_ASSIGN(const int link, here.link_index(from));
  TRY_ASSIGN(const std::vector<sys::LinkAddress> addresses, here.addresses(link));
  const auto taken = there.link_index(to);
  if (taken.ok()) return fail(Code::already_exists, "the container has a device '{}' already", to);
  if (taken.error().code != Code::not_found) return taken.error();
  TRY(here.move_link(link, network_namespace, to).context("move it as '{}'", to));
  TRY_ASSIGN(const int moved, there.link_index(to));
  for (const sys::LinkAddress& address : addresses) TRY(there.add_address(moved, address).context("give it its address back"));
  return there.set_up(moved).context("set it up");
}

}  // namespace

Result<void> move_net_devices(const oci::Spec& spec, FdRef network_namespace) {
  if (spec.linux_.net_devices.empty()) return {};
  TRY_ASSIGN(const sys::RouteSocket here, sys::RouteSocket::open());
  TRY_ASSIGN(const sys::RouteSocket there, sys::RouteSocket::open_in(network_namespace));
  for (const auto& [name, device] : spec.linux_.net_devices) {
    auto moved = move_one(here, there, network_namespace, name, device.name.empty() ? name : device.name);
    if (!moved.ok()) return std::move(moved).error().within("linux.netDevices.{}", name);
  }
  return {};
}

}  // namespace slipway::runtime
