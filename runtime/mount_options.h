// mounts[].options of config.json as flags of the kernel's mount interface.
//
// Pure. The names are runtime-spec's (config.md, "Linux mount options"); what is not one of them is the file system's own option.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/mount.h"

namespace slipway::runtime {

struct MountOptions {
  bool bind = false;
  bool recursive_bind = false;
  sys::MountAttributes attributes;  // of the mount itself: "ro", "nosuid", …
  sys::MountAttributes recursive;   // of it and all beneath: "rro", "rnosuid", …; `recursive.recursive` is set
  std::uint64_t propagation = 0;    // MS_…; 0: none given
  bool propagation_recursive = false;
  bool copy_up = false;  // "tmpcopyup"
  bool map_ids = false;  // "idmap", "ridmap"
  bool map_ids_recursive = false;
  bool remount = false;       // "rw", "dev", … clear what they name
  bool copy_symlink = false;  // of a bind whose source is one
  std::vector<sys::FilesystemOption> data;
};

// crun's mappings as part of an option ("idmap=…") are unimplemented, by name.
Result<MountOptions> parse_mount_options(const std::vector<std::string>& options);

// "shared", "rslave", … → MS_… and whether it was the recursive form; 0 when it is none of them.
std::uint64_t parse_propagation(const std::string& word, bool* recursive);

}  // namespace slipway::runtime
