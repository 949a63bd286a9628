// The container's user namespace as the runner sees it: a descriptor, and what the container's ids are for the host.
//
// Owner: the caller of create() or exec(), for as long as the plan is being made. One thread; needs the host's privileges.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "oci/spec.h"

namespace slipway::runtime {

struct IdMaps {
  std::vector<oci::IdMapping> uids, gids;
  bool empty() const { return uids.empty() && gids.empty(); }
};
bool operator==(const IdMaps& a, const IdMaps& b);

class UserNamespace {
 public:
  UserNamespace() = default;
  UserNamespace(UniqueFd fd, IdMaps maps) : fd_(std::move(fd)), maps_(std::move(maps)) {}

  FdRef fd() const { return fd_; }
  const IdMaps& maps() const { return maps_; }
  // The host's number of an id of the container; invalid_argument where the namespace does not know it.
  Result<std::uint32_t> host_uid(std::uint32_t id) const;
  Result<std::uint32_t> host_gid(std::uint32_t id) const;

 private:
  UniqueFd fd_;
  IdMaps maps_;
};

// A new one with these maps.
Result<UserNamespace> make_user_namespace(IdMaps maps);

// What linux.namespaces asks for: made, or opened by its path; nullopt where the container stays in ours.
Result<std::optional<UserNamespace>> plan_user_namespace(const oci::Spec& spec);

// That of a process; its descriptor is not needed there. nullopt: it is in ours.
// `ours`: gets the inode of ours.
Result<std::optional<UserNamespace>> user_namespace_of(pid_t pid, unsigned long* ours = nullptr);

// "0 100000 65536\n": lines of /proc/PID/uid_map.
std::string to_map_text(const std::vector<oci::IdMapping>& mappings);
Result<std::vector<oci::IdMapping>> parse_map_text(const std::string& text);

}  // namespace slipway::runtime
