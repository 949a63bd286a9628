// "tmpcopyup": what the root has at a tmpfs' place is copied into it before it covers that.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::runtime {

struct CopyUp {
  bool keep_owner = true;  // of the directory itself: the tmpfs' own options say another
  bool keep_mode = true;
};

// `path` in `root`, through links inside the root only; absent = nothing to copy. Names, contents, owners, modes, times and file
// capabilities; sockets are left out. Refuses trees deeper than 64 levels.
Result<void> copy_up(FdRef root, const std::string& path, FdRef to, const CopyUp& options);

}  // namespace slipway::runtime
