// criu's RPC messages as values: what is asked of it and what it answers (criu.org/RPC; the numbers are its protocol's).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::runtime::criu {

enum class Kind : std::uint8_t { none = 0, dump = 1, restore = 2, notify = 6, single_pre_dump = 13 };
enum class CgroupMode : std::uint8_t { ignore = 0, soft = 3, full = 4, strict = 5 };
enum class NetworkLock : std::uint8_t { unset = 0, iptables = 1, nftables = 2, skip = 3 };

// What joined namespaces are called in the images; runc's and crun's words, so that theirs can be restored here.
inline constexpr const char* kExternalNetwork = "extRootNetNS";
inline constexpr const char* kExternalPid = "extRootPidNS";

// A descriptor of criu's process that takes the place of an object in the images: "pipe:[123]", "extRootNetNS".
struct Inherited {
  std::string key;
  int fd = -1;  // its number in criu
};

// An existing namespace that the restored processes join: "ipc", "uts", "time".
struct Joined {
  std::string kind;
  std::string path;
};

struct Options {
  int images_dir = -1;  // descriptors of the process that speaks with criu: it opens them through /proc
  int work_dir = -1;
  std::string log_file;
  std::string config_file;  // criu's own settings; an absent file is none
  std::string cgroup_yard;  // where "unified" leads to the cgroup2 root: criu then mounts none anew, which would reset the host's options
  pid_t pid = 0;            // of the tree to dump
  std::string root;         // of the tree to restore: a mount point
  bool leave_running = false;
  bool tcp_established = false;
  bool ext_unix_sk = false;
  bool shell_job = false;
  bool file_locks = false;
  bool link_remap = false;
  bool auto_dedup = false;
  bool track_memory = false;
  bool tcp_skip_in_flight = false;
  bool tcp_close = false;
  bool evasive_devices = false;
  bool orphan_pts_master = false;
  bool restore_sibling = false;        // the restored tree's first process becomes our child, not criu's
  std::uint32_t empty_namespaces = 0;  // CLONE_NEWNET: made without its contents
  CgroupMode cgroup_mode = CgroupMode::soft;
  NetworkLock network_lock = NetworkLock::unset;
  std::string cgroup_root;    // the cgroup of the restored tree, instead of the dumped one's
  std::string freeze_cgroup;  // absolute
  std::string parent_images;  // relative to images_dir
  std::string lsm_profile;    // "apparmor:NAME"
  std::string lsm_mount_context;
  std::vector<std::string> external;  // "mnt[KEY]:VALUE", "net[INODE]:KEY", "file[MOUNT:INODE]"
  std::vector<Inherited> inherited;
  std::vector<Joined> joined;
};

std::string encode_request(Kind kind, const Options& options);
// The answer to a notification.
std::string encode_notified(bool success);

struct Response {
  Kind kind = Kind::none;
  bool success = false;
  pid_t pid = 0;       // of the restored tree, or told with a notification
  std::string script;  // a notification's name: "post-restore"
  int error = 0;       // an errno
};
Result<Response> decode_response(std::string_view message);

}  // namespace slipway::runtime::criu
