// Reading of cgroup files and walking of cgroup directories, shared by the room's sources. Internal to the room.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::cgroups {

inline constexpr std::size_t kSmallFile = 64 << 10;
inline constexpr std::size_t kLargeFile = 16 << 20;  // cgroup.procs with every pid there can be

// A name of a subdirectory, "" if there is none.
Result<std::string> first_child(FdRef dir);
Result<std::vector<std::string>> children(FdRef dir);

// The file from its beginning through an open descriptor.
Result<std::string> reread(FdRef fd);

// A cgroup's path as one beneath the root's descriptor; "." for the root itself. ".." is an error.
Result<std::string> relative_path(std::string_view path);

// The value of a "key 0|1" line of cgroup.events.
Result<bool> event_value(std::string_view text, std::string_view key);

}  // namespace slipway::cgroups
