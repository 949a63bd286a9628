// The limits of the OCI specification as the ordered writes into the files of a cgroup v2 directory.
//
// Pure, any thread. Absent and, but for pids, zero values mean "leave as it is" (-1: no limit); `unified` comes last and verbatim.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "oci/spec.h"

namespace slipway::cgroups {

enum class Missing {
  refuse,  // the file must be there
  ignore,  // what is asked for holds anyway where the controller is missing (no limit, a zero limit)
};

struct Write {
  std::string file;   // "memory.max"
  std::string value;  // one write(2)
  std::string field;  // who asks: "linux.resources.memory.limit"
  Missing missing = Missing::refuse;
  // Written instead of `file` where that one exists: BFQ's weights beside those of the io controller.
  std::string preferred_file = {};
  std::string preferred_value = {};
  // The first word of `value` stands for what the file has there: a period alone does not change the quota.
  bool keep_first_word = false;
};

Result<std::vector<Write>> plan_writes(const oci::Resources& resources);

// What stands for linux.resources.pids.limit: 0 is a limit, and 1 is the least that systemd takes (TasksMax=) and that a process can be
// born into by clone3(2), which pids.max counts; runc since 1.4 writes the same.
std::int64_t tasks_limit(std::int64_t pids_limit);

// shares 2 → 1, 1024 → 100, 262144 → 10000 (runc >= 1.3.2 and crun; the older linear formula gave 39 for 1024).
std::uint64_t weight_from_shares(std::uint64_t shares);

}  // namespace slipway::cgroups
