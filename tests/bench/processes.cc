// Reads smaps_rollup and status of processes (proc(5)).
#include "tests/bench/processes.h"

#include <dirent.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace bench {
namespace {

// The number behind `key:` in a file of such lines; 0 where there is none.
double number_in(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key + ":")) return std::strtod(line.c_str() + key.size() + 1, nullptr);
  return 0;
}

}  // namespace

std::set<pid_t> all_processes() {
  std::set<pid_t> out;
  DIR* dir = ::opendir("/proc");
  while (const dirent* entry = ::readdir(dir)) {
    const long pid = std::strtol(entry->d_name, nullptr, 10);
    // A kernel thread has no address space: no VmRSS line.
    if (pid > 0 && number_in("/proc/" + std::to_string(pid) + "/status", "VmRSS") > 0) out.insert(static_cast<pid_t>(pid));
  }
  ::closedir(dir);
  return out;
}

Cost cost_of(const std::set<pid_t>& processes) {
  Cost out;
  for (const pid_t pid : processes) {
    const std::string folder = "/proc/" + std::to_string(pid);
    const double threads = number_in(folder + "/status", "Threads");
    if (threads == 0) continue;
    out.processes += 1;
    out.threads += threads;
    out.pss_kib += number_in(folder + "/smaps_rollup", "Pss");
    out.private_kib += number_in(folder + "/smaps_rollup", "Pss_Anon");
  }
  return out;
}

double available_memory_kib() {
  return number_in("/proc/meminfo", "MemAvailable");
}

}  // namespace bench
