// Mount options by table.
#include "runtime/mount_options.h"

#include <sys/mount.h>

#include <algorithm>
#include <string_view>

namespace slipway::runtime {
namespace {

struct Flag {
  std::string_view name;
  bool set;
  std::uint64_t bits;
};

// With an r in front the same names mean the whole tree. The atime bits are one field: a change clears it first.
constexpr Flag kFlags[] = {
    {"ro", true, MOUNT_ATTR_RDONLY},
    {"rw", false, MOUNT_ATTR_RDONLY},
    {"nosuid", true, MOUNT_ATTR_NOSUID},
    {"suid", false, MOUNT_ATTR_NOSUID},
    {"nodev", true, MOUNT_ATTR_NODEV},
    {"dev", false, MOUNT_ATTR_NODEV},
    {"noexec", true, MOUNT_ATTR_NOEXEC},
    {"exec", false, MOUNT_ATTR_NOEXEC},
    {"nodiratime", true, MOUNT_ATTR_NODIRATIME},
    {"diratime", false, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", true, MOUNT_ATTR_NOSYMFOLLOW},
    {"symfollow", false, MOUNT_ATTR_NOSYMFOLLOW},
    {"noatime", true, MOUNT_ATTR_NOATIME},
    {"atime", false, MOUNT_ATTR_NOATIME},
    {"relatime", true, MOUNT_ATTR_RELATIME},
    {"norelatime", false, MOUNT_ATTR_RELATIME},
    {"strictatime", true, MOUNT_ATTR_STRICTATIME},
    {"nostrictatime", false, MOUNT_ATTR_STRICTATIME},
};

// Of the file system, not of the mount: fsconfig(2) takes them as flags of the superblock.
constexpr std::string_view kSuperblockFlags[] = {"sync", "async", "dirsync", "mand", "nomand", "lazytime", "nolazytime"};
// iversion: fsconfig(2) has no word for it. Whichever file system counts changes does so unasked (ext4 since Linux 6.1), and on others
// mount(2) passes over it as well.
constexpr std::string_view kNoEffect[] = {"defaults", "silent", "loud",   "_netdev",  "nofail",
                                          "auto",     "user",   "nouser", "iversion", "noiversion"};

// Of the file system too, which a bind does not make: the kernel passes over them there (mount(2), "data"), and callers that write one list
// of options for every mount count on it.
constexpr std::string_view kOfTmpfs[] = {"mode", "size", "uid", "gid", "nr_inodes", "nr_blocks"};

bool one_of(std::span<const std::string_view> list, std::string_view word) {
  for (const std::string_view item : list) {
    if (item == word) return true;
  }
  return false;
}

bool is_atime(const Flag& flag) {
  return flag.name.ends_with("atime") && flag.name != "nodiratime" && flag.name != "diratime";
}

// "rw", "dev", … only take back an earlier "ro", "nodev": what the host mounted read-only stays so. The recursive "rrw" says more, and
// so does each with "remount".
void add(sys::MountAttributes& attributes, const Flag& flag, bool remount) {
  if (is_atime(flag)) {
    attributes.set &= ~std::uint64_t{MOUNT_ATTR__ATIME};
    attributes.clear |= MOUNT_ATTR__ATIME;
    if (flag.set) attributes.set |= flag.bits;
    return;
  }
  attributes.set &= ~flag.bits;
  attributes.clear &= ~flag.bits;
  if (flag.set) {
    attributes.set |= flag.bits;
  } else if (attributes.recursive || remount) {
    attributes.clear |= flag.bits;
  }
}

const Flag* find_flag(std::string_view name) {
  for (const Flag& flag : kFlags) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

bool add_flag(MountOptions& out, std::string_view word) {
  if (const Flag* flag = find_flag(word)) {
    add(out.attributes, *flag, out.remount);
    return true;
  }
  if (!word.starts_with('r')) return false;
  const Flag* flag = find_flag(word.substr(1));
  if (flag == nullptr) return false;
  out.recursive.recursive = true;
  add(out.recursive, *flag, out.remount);
  return true;
}

}  // namespace

std::uint64_t parse_propagation(const std::string& word, bool* recursive) {
  *recursive = word.starts_with('r');
  const std::string_view base = std::string_view(word).substr(*recursive ? 1 : 0);
  if (base == "shared") return MS_SHARED;
  if (base == "slave") return MS_SLAVE;
  if (base == "private") return MS_PRIVATE;
  if (base == "unbindable") return MS_UNBINDABLE;
  return 0;
}

Result<MountOptions> parse_mount_options(const std::vector<std::string>& options) {
  MountOptions out;
  out.remount = std::ranges::find(options, "remount") != options.end();
  for (const std::string& word : options) {
    bool recursive = false;
    if (word == "remount") continue;
    if (word == "bind" || word == "rbind") {
      out.bind = true;
      out.recursive_bind = word == "rbind";
    } else if (const std::uint64_t propagation = parse_propagation(word, &recursive)) {
      out.propagation = propagation;
      out.propagation_recursive = recursive;
    } else if (word == "idmap" || word == "ridmap") {
      out.map_ids = true;
      out.map_ids_recursive = word == "ridmap";
    } else if (word == "tmpcopyup") {
      out.copy_up = true;
    } else if (word == "copy-symlink") {
      out.copy_symlink = true;
    } else if (word.starts_with("idmap=") || word.starts_with("ridmap=")) {
      return fail(Code::unimplemented, "mount option '{}' is not supported", word);
    } else if (word.empty() || one_of(kNoEffect, word) || add_flag(out, word)) {
      continue;
    } else if (const std::size_t equals = word.find('='); equals != std::string::npos && !one_of(kSuperblockFlags, word)) {
      out.data.push_back({word.substr(0, equals), word.substr(equals + 1)});
    } else {
      out.data.push_back({word, std::nullopt});
    }
  }
  // A bind mount has no file system of its own to hear them; those of the superblock are ignored by the kernel as well.
  for (const sys::FilesystemOption& option : out.data)
    if (out.bind && !one_of(kSuperblockFlags, option.key) && !one_of(kOfTmpfs, option.key))
      return fail(Code::invalid_argument, "mount option '{}' means nothing to a bind mount", option.key);
  return out;
}

}  // namespace slipway::runtime
