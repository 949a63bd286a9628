// What the engine speaks of: the plain values that cri/ makes of requests and turns into replies.
//
// No protobuf, no descriptors, no locks. Field names are CRI's. Times are UnixNanos, sizes bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "oci/spec.h"

namespace slipway::engine {

using Labels = std::map<std::string, std::string>;
using Annotations = std::map<std::string, std::string>;

enum class NamespaceMode { pod, container, node, target };

struct NamespaceOptions {
  NamespaceMode network = NamespaceMode::pod;
  NamespaceMode pid = NamespaceMode::container;  // what CRI's absent message means is POD; from_proto decides
  NamespaceMode ipc = NamespaceMode::pod;
  std::string target_id;
  bool userns = false;  // a pod-level user namespace (NamespaceMode::pod) with these mappings
  std::vector<oci::IdMapping> uid_mappings;
  std::vector<oci::IdMapping> gid_mappings;
};

// `implied`: none was named. AppArmor's default where the host has it and can load it.
enum class ProfileType { runtime_default, unconfined, localhost, implied };

struct SecurityProfile {
  ProfileType type = ProfileType::unconfined;
  std::string localhost_ref;
};

struct LinuxResources {  // LinuxContainerResources; 0 or empty = not set
  std::int64_t cpu_period = 0;
  std::int64_t cpu_quota = 0;
  std::int64_t cpu_shares = 0;
  std::int64_t memory_limit_in_bytes = 0;
  std::int64_t oom_score_adj = 0;
  std::string cpuset_cpus;
  std::string cpuset_mems;
  std::vector<oci::HugepageLimit> hugepage_limits;
  std::map<std::string, std::string> unified;
  std::int64_t memory_swap_limit_in_bytes = 0;
};

enum class SupplementalGroupsPolicy { merge, strict };

struct SecurityContext {  // of pods and containers; a pod uses its part
  std::vector<std::string> add_capabilities;
  std::vector<std::string> drop_capabilities;
  std::vector<std::string> add_ambient_capabilities;
  bool privileged = false;
  NamespaceOptions namespaces;
  std::string selinux_user, selinux_role, selinux_type, selinux_level;
  std::optional<std::int64_t> run_as_user;
  std::optional<std::int64_t> run_as_group;
  std::string run_as_username;
  bool readonly_rootfs = false;
  std::vector<std::int64_t> supplemental_groups;
  SupplementalGroupsPolicy supplemental_groups_policy = SupplementalGroupsPolicy::merge;
  bool no_new_privs = false;
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  SecurityProfile seccomp;
  SecurityProfile apparmor;
};

struct PortMapping {
  std::string protocol;  // "tcp", "udp", "sctp"
  std::int32_t container_port = 0;
  std::int32_t host_port = 0;  // 0 = none
  std::string host_ip;
};

struct DnsConfig {
  std::vector<std::string> servers, searches, options;
  bool set = false;
};

struct PodMetadata {
  std::string name, uid, namespace_;
  std::uint32_t attempt = 0;
};

struct PodSpec {
  PodMetadata metadata;
  std::string hostname;
  std::string log_directory;
  DnsConfig dns;
  std::vector<PortMapping> port_mappings;
  Labels labels;
  Annotations annotations;
  std::string cgroup_parent;
  std::map<std::string, std::string> sysctls;
  SecurityContext security;
  LinuxResources overhead;
  LinuxResources resources;
  std::string runtime_handler;
};

enum class Propagation { private_, host_to_container, bidirectional };

struct Mount {
  std::string container_path;
  std::string host_path;
  bool readonly = false;
  bool recursive_read_only = false;
  bool selinux_relabel = false;
  Propagation propagation = Propagation::private_;
  std::vector<oci::IdMapping> uid_mappings, gid_mappings;
  std::string image;      // as sent; its content instead of host_path
  std::string image_ref;  // the id that it meant when the container was made
  std::string user_specified_image;
  std::string image_sub_path;
  std::vector<std::string> mount_options;
};

struct Device {
  std::string container_path, host_path, permissions;
};

struct ContainerMetadata {
  std::string name;
  std::uint32_t attempt = 0;
};

struct ContainerSpec {
  ContainerMetadata metadata;
  std::string image;  // as sent: an id or a reference
  std::string user_specified_image;
  std::vector<std::string> command, args;
  std::string working_dir;
  std::vector<std::pair<std::string, std::string>> envs;
  std::vector<Mount> mounts;
  std::vector<Device> devices;
  Labels labels;
  Annotations annotations;
  std::string log_path;  // relative to the pod's log_directory
  bool stdin = false, stdin_once = false, tty = false;
  std::vector<std::string> cdi_devices;
  std::string stop_signal;  // "SIGTERM"; empty = the image's
  LinuxResources resources;
  SecurityContext security;
};

// What the user wrote, where the client told it: the kubelet sends the id as `image`.
inline const std::string& written_image(const ContainerSpec& spec) {
  return spec.user_specified_image.empty() ? spec.image : spec.user_specified_image;
}

// The image's config as the spec builder needs it (image-spec config.md).
struct ImageConfig {
  std::vector<std::string> env, entrypoint, cmd;
  std::string user, working_dir, stop_signal;
  std::vector<std::string> volumes;
};

struct ImageRecord {
  std::string id;                         // "sha256:…" of the config
  std::vector<std::string> repo_tags;     // "docker.io/library/nginx:1"
  std::vector<std::string> repo_digests;  // "docker.io/library/nginx@sha256:…"
  std::uint64_t size = 0;
  std::vector<std::string> layers;  // chain ids, base first: directories of the layer store
  ImageConfig config;
  bool pinned = false;
  UnixNanos pulled_at = 0;
};

enum class PodState { ready, not_ready };

struct Stage {  // measured, CLOCK_MONOTONIC
  std::string name;
  MonotonicNanos start = 0;
  MonotonicNanos duration = 0;
  std::uint32_t depth = 0;
};

struct PodRecord {
  std::string id;
  PodSpec spec;
  std::string runtime;  // the handler that spec.runtime_handler meant when the pod was made; empty: an older slipwayd's, its own runner
  PodState state = PodState::not_ready;
  std::string reason;  // why not ready: "MonitorLost", …
  UnixNanos created_at = 0;
  std::string netns;             // /run/netns/…; empty = the host's
  std::vector<std::string> ips;  // primary first
  std::string cgroup;            // beneath the cgroup2 root
  std::string process_label;     // SELinux: what its containers get that ask for nothing; empty = the host has none
  std::string mount_label;
  std::uint32_t monitor_pid = 0;
  std::uint64_t last_event = 0;  // of the monitor, acknowledged
  bool network_up = false;       // an ADD was begun and no DEL has succeeded yet
  std::string network_result;    // CNI results as JSON, for DEL
  std::string boot_id;
  std::vector<Stage> stages;
};

enum class ContainerState { created, running, exited, unknown };

struct ContainerUser {
  std::int64_t uid = 0, gid = 0;
  std::vector<std::int64_t> supplemental_groups;
};

// Another OCI runtime that made a container: enough to delete it there when no configuration speaks of that runtime any more.
struct UsedRuntime {
  std::string binary;  // empty: slipway's own runner
  std::string root;
};

struct ContainerRecord {
  std::string id, pod_id;
  ContainerSpec spec;
  std::string image_id;  // of the image it was made from
  ContainerState state = ContainerState::created;
  bool made = true;  // its process has been made; absent in records of a slipwayd that made it at its creation
  UnixNanos created_at = 0, started_at = 0, finished_at = 0;
  std::int32_t exit_code = 0;
  std::string reason, message;  // "Completed", "Error", "OOMKilled", "StartError", "MonitorLost", …
  std::uint32_t pid = 0;
  std::string log_path;  // absolute; empty = none
  std::string cgroup;
  ContainerUser user;
  LinuxResources resources;  // as applied
  std::string stop_signal;   // as resolved
  UsedRuntime runtime;
  std::vector<Stage> stages;
};

// So far it is files alone: no process, no cgroup, and its monitor does not know it.
inline bool is_unmade(const ContainerRecord& record) {
  return record.state == ContainerState::created && !record.made;
}

struct Condition {
  bool status = false;
  std::string reason, message;
};

}  // namespace slipway::engine
