// Moving network devices, and back.
#include "runtime/net_devices.h"

#include <net/if.h>
#include <sched.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/log.h"
#include "sys/namespace.h"
#include "sys/rtnetlink.h"

namespace slipway::runtime {
namespace {

struct End {
  const sys::RouteSocket& socket;
  FdRef network_namespace;
};

struct Moved {
  std::string name;  // where it came from
  std::string now;
  std::vector<sys::LinkAddress> addresses;
  bool up = false;
  int link = 0;  // there; a name may be another device's by the time that this one is to come back
};

// What a device loses by the move is given back: its addresses, and that it is up. `device.link` is known from the move on.
Result<void> move_one(const End& from, const End& to, int link, Moved& device, bool up) {
  TRY(from.socket.move_link(link, to.network_namespace, device.now).context("move it as '{}'", device.now));
  TRY_ASSIGN(device.link, to.socket.link_index(device.now));
  for (const sys::LinkAddress& address : device.addresses)
    TRY(to.socket.add_address(device.link, address).context("give it its address back"));
  return up ? to.socket.set_up(device.link).context("set it up") : Result<void>{};
}

// `moved` gets it as soon as it may have left.
Result<void> move_there(const End& here, const End& there, const std::string& name, const std::string& now, std::vector<Moved>& moved) {
  Moved device{name, now, {}, false, 0};
  TRY_ASSIGN(const int link, here.socket.link_index(name, &device.up));
  TRY_ASSIGN(device.addresses, here.socket.addresses(link));
  const auto taken = there.socket.link_index(now);
  if (taken.ok()) return fail(Code::already_exists, "the container has a device '{}' already", now);
  if (taken.error().code != Code::not_found) return taken.error();
  moved.push_back(std::move(device));
  auto done = move_one(here, there, link, moved.back(), true);
  if (done.ok() || moved.back().link != 0) return done;
  // The kernel moves first and names then (do_setlink): a name that somebody took meanwhile leaves it there under the one that it had.
  const auto stayed = here.socket.link_index(name);
  if (stayed.ok() || stayed.error().code != Code::not_found) return done;
  if (const auto there_now = there.socket.link_index(name); there_now.ok()) moved.back().link = there_now.value();
  return done;
}

// A name with %d at its end stands for the first number that is free in the container and that no other device is to have (config-linux.md,
// "Network Devices"). What somebody takes meanwhile is an error of the move.
Result<std::string> name_there(const End& there, const oci::Linux& config, const std::string& host, const oci::NetDevice& device) {
  if (device.name.empty()) return host;
  if (!device.name.ends_with("%d")) return device.name;
  const auto is_wanted = [&](const std::string& name) {
    return std::any_of(config.net_devices.begin(), config.net_devices.end(),
                       [&](const auto& other) { return (other.second.name.empty() ? other.first : other.second.name) == name; });
  };
  const std::string begin = device.name.substr(0, device.name.size() - 2);
  constexpr int kMost = 1000;
  for (int number = 0; number < kMost; ++number) {
    std::string name = begin + std::to_string(number);
    if (name.size() >= IFNAMSIZ) break;
    if (is_wanted(name)) continue;
    const auto taken = there.socket.link_index(name);
    if (!taken.ok() && taken.error().code == Code::not_found) return name;
    if (!taken.ok()) return taken.error();
  }
  return fail(Code::resource_exhausted, "no name like '{}' is free in the container", device.name);
}

// The error is already another one; what stays there shares the end of the namespace.
void move_back(const End& here, const End& there, const std::vector<Moved>& moved) {
  for (auto device = moved.rbegin(); device != moved.rend(); ++device) {
    if (device->link == 0) continue;  // it had not left
    Moved back_again{device->now, device->name, device->addresses, false, 0};
    const auto back = move_one(there, here, device->link, back_again, device->up);
    if (!back.ok()) log::warn("linux.netDevices.{}: move it back: {}", device->name, back.error().message);
  }
}

}  // namespace

Result<void> move_net_devices(const oci::Spec& spec, FdRef network_namespace) {
  if (spec.linux_.net_devices.empty()) return {};
  TRY_ASSIGN(const UniqueFd ours, sys::open_namespace("/proc/self/ns/net", CLONE_NEWNET));
  TRY_ASSIGN(const sys::RouteSocket here_socket, sys::RouteSocket::open());
  TRY_ASSIGN(const sys::RouteSocket there_socket, sys::RouteSocket::open_in(network_namespace));
  const End here{here_socket, ours};
  const End there{there_socket, network_namespace};
  std::vector<Moved> moved;
  for (const auto& [name, device] : spec.linux_.net_devices) {
    const auto now = name_there(there, spec.linux_, name, device);
    auto done = now.ok() ? move_there(here, there, name, now.value(), moved) : Result<void>(now.error());
    if (done.ok()) continue;
    move_back(here, there, moved);
    return std::move(done).error().within("linux.netDevices.{}", name);
  }
  return {};
}

}  // namespace slipway::runtime
