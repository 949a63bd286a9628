// Namespaces as descriptors (namespaces(7), setns(2), ioctl_ns(2)).
#pragma once

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

}  // namespace slipway::sys
