// What processes cost, read from /proc: which are new, their threads, their share of memory.
#pragma once

#include <sys/types.h>

#include <set>

namespace bench {

struct Cost {
  double processes = 0, threads = 0;
  double pss_kib = 0;      // proportional: shared pages count by their share
  double private_kib = 0;  // Pss_Anon: memory that this process alone has made
};

std::set<pid_t> all_processes();

// Of those that still run.
Cost cost_of(const std::set<pid_t>& processes);

double available_memory_kib();

}  // namespace bench
