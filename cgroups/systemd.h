// systemd's manager over D-Bus: transient units, their properties, their end (org.freedesktop.systemd1(5)).
//
// Owner: one operation; one thread. Every call waits until systemd has done what it says, or the deadline given to connect.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cgroups/dbus.h"
#include "cgroups/root.h"
#include "cgroups/unit_properties.h"

namespace slipway::cgroups {

class Systemd {
 public:
  static Result<Systemd> connect(int timeout_ms = kTimeout, const std::string& bus = dbus::kSystemBus);
  static Systemd over(dbus::Bus bus) { return Systemd(std::move(bus)); }

  // already_exists when a unit of that name is there. A scope needs PIDs among its properties.
  Result<void> start_transient(const std::string& unit, const std::vector<Property>& properties);
  // Until the next boot. Back when the unit's files are written.
  Result<void> set_properties(const std::string& unit, const std::vector<Property>& properties);
  // Absent = ok.
  Result<void> stop(const std::string& unit);
  Result<void> reset_failed(const std::string& unit);
  // 252, 257, …
  Result<unsigned> version();

  static constexpr int kTimeout = 30'000;

 private:
  explicit Systemd(dbus::Bus bus) : bus_(std::move(bus)) {}
  Result<void> run_job(const std::string& unit, const dbus::Call& call);

  dbus::Bus bus_;
};

// What the units of slipway's own cgroups are to systemd; paths are beneath the cgroup2 root and end in the unit's name.

// Made, or there already.
Result<void> start_slice(const std::string& path, const std::string& description);
// As Cgroup::apply, and into the unit's properties.
Result<void> apply_to_unit(const Root& root, const std::string& path, const oci::Resources& resources);
// Every process killed, the unit stopped, its cgroup gone. Absent = ok.
Result<void> kill_and_stop_unit(const Root& root, const std::string& path, int timeout_ms);

}  // namespace slipway::cgroups
