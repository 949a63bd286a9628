// A cgroup's numbers in the shape that callers of `runc events` read.
#pragma once

#include <string>

#include "cgroups/stats.h"

namespace slipway::runtime::command {

// {"cpu":{…},"memory":{…},"pids":{…},"blkio":{…},"hugetlb":{…},…}; times in nanoseconds. `memory_stat`: that file, for memory.raw.
std::string stats_json(const cgroups::Stats& stats, std::string_view memory_stat);

}  // namespace slipway::runtime::command
