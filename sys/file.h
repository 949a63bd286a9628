// Files by descriptor: opening beneath roots with openat2, bounded reading, replacing, removing trees.
//
// Every descriptor is close-on-exec. `open_beneath` is for paths that must not leave (an escape is an error),
// `open_in_root` for paths of a container's root, where "/" and ".." mean that root (openat2(2)).
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::sys {

template <class Call>
auto retry_eintr(Call&& call) {
  for (;;) {
    const auto r = call();
    if (r >= 0 || errno != EINTR) return r;
  }
}

Result<UniqueFd> open_path(const std::string& path, int flags, mode_t mode = 0);
// Of a path whose links were followed already: where one has come since, it is ELOOP.
Result<UniqueFd> open_path_without_links(const std::string& path, int flags);
Result<UniqueFd> open_at(FdRef dir, const std::string& path, int flags, mode_t mode = 0);
Result<UniqueFd> open_beneath(FdRef root, const std::string& path, int flags, mode_t mode = 0);
Result<UniqueFd> open_in_root(FdRef root, const std::string& path, int flags, mode_t mode = 0);
// For reading, and regular files only: what else is there is never opened, as a device's driver would see it (a watchdog, a tape). They do
// not block, as /proc/kmsg (regular by its mode) or a file with a lease would.
Result<UniqueFd> reopen_regular(FdRef object, const std::string& path);  // an O_PATH descriptor's file
Result<UniqueFd> open_regular_at(FdRef dir, const std::string& name);    // a link is none
Result<UniqueFd> open_regular_in_root(FdRef root, const std::string& path);

// A file longer than `limit` bytes is resource_exhausted: nothing from outside is read without a bound.
Result<std::string> read_file(const std::string& path, std::size_t limit);
// Of a file that the kernel makes whole at each read and that is shorter than 16 KiB (procfs and cgroupfs, "single" files): without a
// second read to see the end.
Result<std::string> read_line_file_at(FdRef dir, const std::string& path);
Result<std::string> read_file_at(FdRef dir, const std::string& path, std::size_t limit);
Result<std::string> read_fd(FdRef fd, std::size_t limit);

Result<void> write_all(FdRef fd, std::string_view text);

// One write(2) to an existing file: procfs and cgroupfs take each write as a whole command.
Result<void> write_file_at(FdRef dir, const std::string& path, std::string_view text);

enum class Sync { no, yes };
// Readers see the old or the new file, never a part. `yes` makes it survive a power loss (file and directory synced).
Result<void> replace_file(FdRef dir, const std::string& name, std::string_view text, mode_t mode, Sync sync = Sync::no);

// What replace_file leaves in a directory when its process is killed. For whoever owns the directory alone, before it is used.
Result<void> remove_temporaries(FdRef dir);

Result<void> make_directories(const std::string& path, mode_t mode);

// mkdir -p of a path that a container may have filled with links: each component is made and opened by descriptor,
// links are followed inside the root only. Returns the last directory, opened O_PATH.
Result<UniqueFd> make_directories_in_root(FdRef root, const std::string& path, mode_t mode);

// rm -rf of one name in `dir`, never following a link, never leaving the file system. Absent = ok.
Result<void> remove_tree(FdRef dir, const std::string& name);

// The names in a directory, without "." and "..", unsorted; more than `limit` is resource_exhausted.
Result<std::vector<std::string>> list_directory(FdRef dir, std::size_t limit = 1'000'000);

bool exists(const std::string& path);

}  // namespace slipway::sys
