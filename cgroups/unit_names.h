// systemd's names for cgroups: slices that say their parents, scopes, and the paths that both stand for (systemd.slice(5)).
//
// Pure. A path whose last component ends in .slice or .scope is a unit of systemd's; every other cgroup is slipway's own.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::cgroups {

inline constexpr std::size_t kMaxUnitName = 255;

bool is_slice(std::string_view path);
bool is_scope(std::string_view path);
inline bool is_unit(std::string_view path) {
  return is_slice(path) || is_scope(path);
}

// "a-b.slice" → "/a.slice/a-b.slice"; "-.slice" → "". invalid_argument names what is wrong.
Result<std::string> expand_slice(std::string_view slice);

// Characters and length of a unit's name; `what` is in front of the message.
Result<void> check_unit_name(std::string_view what, std::string_view name);

// The unit that a path ends with, and the slice it is in ("-.slice" for none).
std::string unit_of(std::string_view path);
std::string slice_of(std::string_view path);

// The cgroup of linux.cgroupsPath as `--systemd-cgroup` reads it: "SLICE:PREFIX:NAME", SLICE empty = system.slice; a NAME that ends
// in .slice is a slice itself. An empty text is "system.slice:slipway:ID".
Result<std::string> parse_systemd_path(std::string_view text, std::string_view id);

}  // namespace slipway::cgroups
