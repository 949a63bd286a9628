// The owner of all that init's frozen plan points at: strings, arrays, descriptors; plus the names the runner needs for its sentences.
//
// One thread; lives until the clone is over. Addresses stay valid because deques and filled vectors do not move.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "runtime/init/plan.h"
#include "runtime/init/protocol.h"
#include "runtime/intel_rdt.h"

namespace slipway::runtime {

class LaunchPlan {
 public:
  LaunchPlan() = default;
  LaunchPlan(const LaunchPlan&) = delete;
  LaunchPlan& operator=(const LaunchPlan&) = delete;
  ~LaunchPlan();

  init::InitPlan init;

  std::vector<init::Join> joins;
  std::vector<std::string> join_names;  // for sentences
  std::vector<init::ProcWrite> proc_writes;
  std::size_t apparmor_write = SIZE_MAX;  // which of them it is, for its sentence
  std::deque<std::vector<init::FsOption>> fs_options;
  std::vector<init::MountEntry> mounts;
  std::vector<const char*> masked;
  std::vector<const char*> readonly_paths;
  std::vector<init::Limit> limits;
  std::vector<std::string> limit_names;
  std::vector<unsigned long> affinity;
  std::vector<unsigned long> memory_nodes;
  std::vector<gid_t> groups;
  std::vector<const char*> candidates;
  std::vector<const char*> argv;
  std::vector<const char*> envp;
  std::vector<sock_filter> filter;  // told to init after the clone
  std::optional<RdtGroup> rdt;      // the runner's to put init into

  // Copies the text; the pointer stays valid as long as the plan.
  const char* keep(std::string text) { return strings_.emplace_back(std::move(text)).c_str(); }
  // The plan closes it; init keeps it until it closes all.
  int own(UniqueFd fd) {
    fds_.push_back(fd.release());
    return fds_.back();
  }
  // Init needs a descriptor that somebody else owns.
  void borrow(int fd) { borrowed_.push_back(fd); }

  // Points the views of `init` at the arrays; again after something was added.
  void freeze();

  // What failed, as a sentence with its code.
  Error describe(const init::Message& failure) const;

 private:
  std::string subject(const init::Message& failure) const;

  std::deque<std::string> strings_;
  std::vector<int> fds_;
  std::vector<int> borrowed_;
  std::vector<int> keep_fds_;
};

}  // namespace slipway::runtime
