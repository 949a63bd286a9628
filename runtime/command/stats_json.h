// A cgroup's numbers in the shape that callers of `runc events` read.
#pragma once

#include <string>

#include "cgroups/stats.h"

namespace slipway::runtime::command {

// What runc's callers read besides, as the files have it; "" where a controller is off.
struct RawStats {
  std::string memory_stat;       // for memory.raw
  std::string cpus, mems;        // cpuset.cpus.effective, cpuset.mems.effective
  std::string intel_rdt = "{}";  // JSON (rdt_json.h)
};

// {"cpu":{…},"cpuset":{…},"memory":{…},"pids":{…},"blkio":{…},"hugetlb":{…},…}; times in nanoseconds.
std::string stats_json(const cgroups::Stats& stats, const RawStats& more);

}  // namespace slipway::runtime::command
