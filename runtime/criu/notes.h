// What a checkpoint says beside criu's images: descriptors.json, which runc and crun write and read too, and slipway.json.
//
// Both are read from a directory that somebody may have brought from elsewhere: what they name is looked up in this container's own
// config.json, never followed as a path.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::runtime::criu {

// Where a mount that is not the container's own comes from.
enum class Source {
  bind,    // mounts[].destination: `of`; what of it: `beneath`, "" for all
  root,    // something the host had mounted beneath root.path: `beneath`
  device,  // a node of the host's /dev: `of`
  cgroup,  // the host's cgroup2 tree
};

struct ExternalMount {
  std::string name;  // what criu knows it by: the mount point in the container
  Source source = Source::bind;
  std::string of;
  std::string beneath;
};

// A file of the host that was a standard descriptor.
struct ExternalFile {
  std::string key;     // criu's: "file[MOUNT:INODE]"
  int descriptor = 0;  // 0, 1, 2
  bool null = false;   // it was /dev/null, and is again, whatever the descriptor is at restore
};

struct Notes {
  std::vector<std::string> descriptors;  // of 0, 1, 2: "pipe:[123]", a path; empty: a terminal
  std::vector<ExternalMount> mounts;
  std::vector<ExternalFile> files;
  std::map<std::string, std::uint64_t> sizes;  // of criu's images, by file: criu waits for ever for pages that were cut off
  bool ours = false;                           // slipway.json was there
};

// What a process, a number or "self", has as 0, 1 and 2; "" for one that is closed. A container without a terminal gets its maker's.
std::vector<std::string> standard_descriptors(std::string_view process);

std::string write_descriptors(const Notes& notes);
std::string write_own(const Notes& notes);
Result<void> parse_descriptors(std::string_view json, Notes& out);
Result<void> parse_own(std::string_view json, Notes& out);

// When criu's images are complete: their sizes are noted here.
Result<void> write_notes(FdRef images, Notes notes);
// slipway.json may be absent (another runtime's checkpoint), descriptors.json may not. data_loss where an image is not as long as it was.
Result<Notes> read_notes(FdRef images);
// Of an earlier checkpoint, before the next is begun.
void remove_notes(FdRef images);

}  // namespace slipway::runtime::criu
