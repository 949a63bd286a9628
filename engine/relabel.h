// Gives a volume's files the label of the container that is to use them (CRI's selinux_relabel).
//
// Any thread; the walk itself is done by a few threads, which end before the call returns. No link is followed, no device opened.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"

namespace slipway::engine {

// What the walk does to a name in a directory; tests count it. Never follows a link.
struct Labeller {
  std::function<Result<std::string>(const std::string& path)> read;  // empty: none, or the file system has none
  std::function<Result<void>(const std::string& path, const std::string& label)> write;
};
Labeller file_labels();  // lgetxattr(2), lsetxattr(2) of security.selinux; ENOTSUP and what has gone meanwhile are no errors

// Whether its top has the label: relabel_tree would do nothing.
Result<bool> is_relabelled(const std::string& path, const std::string& label, const Labeller& labeller);

// `path` is the host's, links followed already. Its top gets the label last, after all beneath: a tree whose top has it was finished and is
// not walked again, however many files it holds. What somebody adds to it later inherits the type from its directory.
// invalid_argument: a directory that the host itself lives from (/, /usr, /etc, …).
Result<void> relabel_tree(const std::string& path, const std::string& label, const Labeller& labeller);

}  // namespace slipway::engine
