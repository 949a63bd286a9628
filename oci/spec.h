// The OCI runtime specification's config.json as a value (runtime-spec 1.3, config.md and config-linux.md).
//
// Names are the specification's, in snake_case. Only what the runner can do has a place here: parse_spec refuses the rest by
// naming the field. A plain value: no owner, any thread. Sizes are bytes, times as each field says.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace slipway::oci {

struct ConsoleSize {
  std::uint16_t height = 0;
  std::uint16_t width = 0;
};

struct User {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::optional<std::uint32_t> umask;
  std::vector<std::uint32_t> additional_gids;
};

struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE"
  std::uint64_t hard = 0;
  std::uint64_t soft = 0;
};

// Names as in capabilities(7): "CAP_NET_RAW".
struct Capabilities {
  std::vector<std::string> bounding;
  std::vector<std::string> effective;
  std::vector<std::string> inheritable;
  std::vector<std::string> permitted;
  std::vector<std::string> ambient;
};

// sched_setattr(2).
struct Scheduler {
  std::string policy;  // "SCHED_FIFO", …
  std::int32_t nice = 0;
  std::int32_t priority = 0;
  std::vector<std::string> flags;  // "SCHED_FLAG_RESET_ON_FORK", …
  std::uint64_t runtime = 0;       // nanoseconds, as the next two; of SCHED_DEADLINE
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};

struct IoPriority {
  std::string io_class;  // "IOPRIO_CLASS_RT", …
  std::int32_t priority = 0;
};

// Lists of CPUs: "0-3,7". Of an exec'd process only.
struct CpuAffinity {
  std::string initial;  // until it is in the container's cgroup
  std::string final;
};

struct Process {
  bool terminal = false;
  std::optional<ConsoleSize> console_size;
  User user;
  std::vector<std::string> args;
  std::vector<std::string> env;  // "NAME=value"
  std::string cwd = "/";
  std::optional<Capabilities> capabilities;  // absent: no capability at all
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::optional<std::string> apparmor_profile;
  std::optional<std::string> selinux_label;
  std::optional<int> oom_score_adj;
  std::optional<Scheduler> scheduler;
  std::optional<IoPriority> io_priority;
  std::optional<CpuAffinity> exec_cpu_affinity;
};

struct Root {
  std::string path;  // relative to the bundle or absolute
  bool readonly = false;
};

struct IdMapping {
  std::uint32_t container_id = 0;
  std::uint32_t host_id = 0;
  std::uint32_t size = 0;
};

struct Mount {
  std::string destination;
  std::string type;  // "proc", "sysfs", "tmpfs", "bind", "cgroup", "devpts", "mqueue", …
  std::string source;
  std::vector<std::string> options;  // "ro", "nosuid", "rbind", "rprivate", "rro", "mode=755", …
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
};

enum class NamespaceType { pid, network, mount, ipc, uts, user, cgroup, time };

struct Namespace {
  NamespaceType type = NamespaceType::pid;
  std::string path;  // empty: a new one
};

struct Device {
  std::string path;
  std::string type;  // "c", "b", "u", "p"
  std::int64_t major = 0;
  std::int64_t minor = 0;
  std::optional<std::uint32_t> file_mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
};

struct DeviceRule {
  bool allow = false;
  std::string type;                   // "a", "c", "b"; empty = "a"
  std::optional<std::int64_t> major;  // absent: any
  std::optional<std::int64_t> minor;
  std::string access;  // some of "rwm"; empty = all
};

struct Memory {
  std::optional<std::int64_t> limit;  // -1: none
  std::optional<std::int64_t> reservation;
  std::optional<std::int64_t> swap;  // memory + swap; -1: none
  std::optional<bool> check_before_update;
};

struct Cpu {
  std::optional<std::uint64_t> shares;
  std::optional<std::int64_t> quota;    // microseconds; -1: none
  std::optional<std::uint64_t> burst;   // microseconds
  std::optional<std::uint64_t> period;  // microseconds
  std::optional<std::int64_t> idle;
  std::string cpus;
  std::string mems;
};

struct WeightDevice {
  std::int64_t major = 0;
  std::int64_t minor = 0;
  std::optional<std::uint16_t> weight;
};

struct ThrottleDevice {
  std::int64_t major = 0;
  std::int64_t minor = 0;
  std::uint64_t rate = 0;
};

struct BlockIo {
  std::optional<std::uint16_t> weight;  // 10..1000
  std::vector<WeightDevice> weight_device;
  std::vector<ThrottleDevice> throttle_read_bps_device;
  std::vector<ThrottleDevice> throttle_write_bps_device;
  std::vector<ThrottleDevice> throttle_read_iops_device;
  std::vector<ThrottleDevice> throttle_write_iops_device;
};

struct HugepageLimit {
  std::string page_size;  // "2MB"
  std::uint64_t limit = 0;
};

// Absent: no limit is set.
struct RdmaLimit {
  std::optional<std::uint32_t> hca_handles;
  std::optional<std::uint32_t> hca_objects;
};

struct Resources {
  std::vector<DeviceRule> devices;
  std::optional<Memory> memory;
  std::optional<Cpu> cpu;
  std::optional<std::int64_t> pids_limit;  // -1: none; 0 is a limit, not "unset" (config-linux.md, "PIDs")
  std::optional<BlockIo> block_io;
  std::vector<HugepageLimit> hugepage_limits;
  std::map<std::string, RdmaLimit> rdma;       // by device: "mlx5_1"
  std::map<std::string, std::string> unified;  // cgroup v2 file → value
};

struct SeccompArg {
  std::uint32_t index = 0;
  std::uint64_t value = 0;
  std::uint64_t value_two = 0;
  std::string op;  // "SCMP_CMP_EQ", …
};

struct SeccompSyscall {
  std::vector<std::string> names;
  std::string action;  // "SCMP_ACT_ALLOW", …
  std::optional<std::uint32_t> errno_ret;
  std::vector<SeccompArg> args;
};

struct Seccomp {
  std::string default_action;
  std::optional<std::uint32_t> default_errno_ret;
  std::vector<std::string> architectures;  // "SCMP_ARCH_X86_64", …
  std::vector<std::string> flags;          // "SECCOMP_FILTER_FLAG_LOG", …
  std::string listener_path;
  std::string listener_metadata;
  std::vector<SeccompSyscall> syscalls;
};

struct TimeOffset {
  std::int64_t secs = 0;
  std::uint32_t nanosecs = 0;
};

struct Personality {
  std::string domain;  // "LINUX", "LINUX32"
  std::vector<std::string> flags;
};

// set_mempolicy(2).
struct MemoryPolicy {
  std::string mode;   // "MPOL_BIND", …
  std::string nodes;  // "0-1,3"
  std::vector<std::string> flags;
};

// Classes of service of resctrl (Intel RDT, AMD QoS). The older enableCMT and enableMBM are gone from the specification.
struct IntelRdt {
  std::string clos_id;  // empty: one of the container's own; "/": the default class
  std::string l3_cache_schema;
  std::string mem_bw_schema;
  std::vector<std::string> schemata;  // lines
  bool enable_monitoring = false;
};

struct NetDevice {
  std::string name;  // in the container; empty: as on the host
};

struct Linux {
  std::vector<Namespace> namespaces;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  std::map<std::string, TimeOffset> time_offsets;  // "monotonic", "boottime"
  std::vector<Device> devices;
  std::map<std::string, NetDevice> net_devices;  // by the host's name
  std::string cgroups_path;
  std::optional<Resources> resources;
  std::string rootfs_propagation;
  std::optional<Seccomp> seccomp;
  std::map<std::string, std::string> sysctl;
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  std::string mount_label;
  std::optional<Personality> personality;
  std::optional<MemoryPolicy> memory_policy;
  std::optional<IntelRdt> intel_rdt;
};

// A program that a caller of the runtime has run at a point of the container's life (config.md, "POSIX-platform Hooks").
struct Hook {
  std::string path;  // absolute
  std::vector<std::string> args;
  std::vector<std::string> env;         // all that it gets
  std::optional<std::int64_t> timeout;  // seconds
};

struct Hooks {
  std::vector<Hook> prestart;
  std::vector<Hook> create_runtime;
  std::vector<Hook> create_container;
  std::vector<Hook> start_container;
  std::vector<Hook> poststart;
  std::vector<Hook> poststop;
};

struct Spec {
  std::string oci_version;  // "1.0.0" … "1.3.x"
  std::optional<Process> process;
  std::optional<Root> root;
  std::string hostname;
  std::string domainname;
  std::vector<Mount> mounts;
  Linux linux_;  // the name `linux` is a macro of gnu++
  std::map<std::string, std::string> annotations;
  std::optional<Hooks> hooks;
};

}  // namespace slipway::oci
