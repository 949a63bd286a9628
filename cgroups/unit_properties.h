// The limits of the OCI specification as properties of a systemd unit (systemd.resource-control(5), org.freedesktop.systemd1(5)).
//
// Pure. systemd writes a unit's cgroup files anew when it reloads: what it is to leave in place it has to know. The files are written
// by slipway besides (cgroups/plan.h), since properties round and know fewer limits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "cgroups/dbus_message.h"
#include "cgroups/variant_text.h"
#include "oci/spec.h"

namespace slipway::cgroups {

inline constexpr std::uint64_t kInfinity = UINT64_MAX;  // "no limit" of every property of type t

using Bytes = std::vector<std::uint8_t>;
using Numbers = std::vector<std::uint32_t>;
using Names = std::vector<std::string>;

struct Property {
  std::string name;
  std::variant<bool, std::uint64_t, std::string, Bytes, Numbers, Names, Literal> value;  // b t s ay au as, and what somebody wrote
};

// Those that are set; absent and, but for pids, zero values mean "leave as it is", as in plan_writes, which has judged them before.
std::vector<Property> plan_properties(const oci::Resources& resources);

// a(sv)
void put_properties(dbus::Writer& out, const std::vector<Property>& properties);

}  // namespace slipway::cgroups
