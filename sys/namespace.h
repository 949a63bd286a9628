// Namespaces as descriptors (namespaces(7), setns(2), ioctl_ns(2)).
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::sys {

// What `path` leads to, proven to be a namespace of that CLONE_NEW… type: a file that a container may have placed there is refused.
Result<UniqueFd> open_namespace(const std::string& path, int type);
Result<int> namespace_type(FdRef ns);  // CLONE_NEW…

// `ns` is a namespace of that type or a pidfd with several CLONE_NEW… bits. CLONE_NEWPID concerns later children only.
Result<void> join_namespace(FdRef ns, int type);

// The namespace's inode, which names it while it exists.
Result<unsigned long> namespace_id(FdRef ns);

// Whether a process is in the same namespace as we are; `kind` as in /proc/PID/ns: "user", "time". `own`: gets the inode of ours.
Result<bool> shares_namespace(pid_t pid, const std::string& kind, unsigned long* own = nullptr);

// A new user namespace without a process in it, its maps as /proc/PID/uid_map takes them: "0 100000 65536\n". Needs a single-threaded
// caller with CAP_SETUID and CAP_SETGID: it forks.
Result<UniqueFd> make_user_namespace(const std::string& uid_map, const std::string& gid_map);
// The same where somebody else knows how the maps are written, for the process with that number: a caller without privileges.
Result<UniqueFd> make_user_namespace(const std::function<Result<void>(pid_t)>& write_maps);
// "uid_map", "gid_map" or "setgroups" of a process in a user namespace whose parent is ours: one write(2).
Result<void> write_id_map(pid_t pid, const char* file, const std::string& text);

// False in a user namespace that somebody made, whose root is not the machine's.
bool in_initial_user_namespace();
// Its inode, the same on every machine: PROC_USER_INIT_INO of the kernel's proc_ns.h.
inline constexpr unsigned long kInitialUserNamespace = 0xEFFFFFFD;

struct IdMapTexts {
  std::string uids, gids;
};
// The maps of a user namespace, as ids of ours; forks as well.
Result<IdMapTexts> read_id_maps(FdRef user_namespace);
Result<IdMapTexts> read_id_maps(pid_t pid);

}  // namespace slipway::sys
