// Everything init needs, computed by the runner: a frozen, trivially copyable view of the runner's memory.
//
// Owner of all that is pointed at: runtime::LaunchPlan. Copy-on-write carries it into the child, which only reads.
// Strings end with NUL. Paths "in the root" are clean and have no leading slash.
#pragma once

#include <linux/filter.h>
#include <sys/prctl.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace slipway::runtime::init {

template <class T>
struct View {
  const T* data = nullptr;
  std::uint32_t size = 0;

  const T* begin() const noexcept { return data; }
  const T* end() const noexcept { return data + size; }
  const T& operator[](std::uint32_t i) const noexcept { return data[i]; }
  bool empty() const noexcept { return size == 0; }
};

struct Join {
  int fd = -1;   // a namespace, or a pidfd
  int type = 0;  // CLONE_NEW… bits for setns(2)
};

struct ProcWrite {
  const char* path = nullptr;  // beneath /proc
  const char* value = nullptr;
  std::uint32_t size = 0;
  bool own = false;  // about this process itself ("self/…"): written first, with the host's privileges
  bool lowers_oom_score = false;
};

// When the process is born a second time (step_birth.cc).
enum class Birth : std::uint8_t {
  none,   // clone3 made what is needed
  early,  // into a user or time namespace: before anything of the container is made
  late,   // into a PID namespace whose processes may look at it: after everything that they must not see
};

struct FsOption {
  const char* key = nullptr;
  const char* value = nullptr;  // nullptr: a flag
};

// Of a mount's attributes, for mount_setattr(2).
struct Change {
  std::uint64_t set = 0;
  std::uint64_t clear = 0;
  std::uint64_t propagation = 0;
};

struct MountEntry {
  int fd = -1;                 // a detached mount of the runner's; -1: `type` is made here, because it takes its namespace from its maker,
  bool awaited = false;        // … or it is the runner's and comes by message
  const char* type = nullptr;  // of fsopen(2)
  View<FsOption> options;
  std::uint64_t attributes = 0;    // MOUNT_ATTR_… of fsmount(2)
  std::uint64_t propagation = 0;   // MS_… for one made here; 0 = private
  const char* target = nullptr;    // in the root
  bool real_target = false;        // a symbolic link anywhere in the target is refused (/proc, /sys)
  bool readonly_last = false;      // made read-only after all other mounts found or made their targets in it
  const char* fallback = nullptr;  // of the host's: bound where a user namespace may not make `type`; nullptr: there is none
  bool of_pid = false;             // a proc file system of InitPlan::pid, where this process is not in (Birth::late)
  bool remount = false;            // what is mounted there gets `options`, and `own` and `tree`
  Change own, tree;
  const char* label = nullptr;  // SELinux's, of the top of `type`: for one that takes none by an option
  const char* link = nullptr;   // a symbolic link is made instead, with this text
};

struct RootPlan {
  int fd = -1;                      // detached; -1: the process joins a container whose root is set up, or `awaited`
  bool awaited = false;             // detached mounts come by message (protocol.h): this one, the masks', those of `mounts`
  const char* attach_at = nullptr;  // root.path, where hooks look for it before the root is changed; nullptr: over "/"
  bool readonly = false;
  bool pivot = true;              // false: --no-pivot, only where the host's root is an initramfs
  bool host_mounts = false;       // the mount namespace is the runner's own: nothing but attach_at may change in it
  std::uint64_t propagation = 0;  // MS_SHARED … of the root at the end; 0 = leave
  View<MountEntry> mounts;
  View<const char*> masked;
  int mask_file = -1;       // detached bind of a verified /dev/null
  int mask_directory = -1;  // detached empty read-only tmpfs
  View<const char*> readonly_paths;
  const char* make_directory = nullptr;  // process.cwd, made if absent
};

struct Terminal {
  bool wanted = false;
  bool console = false;  // bind it to /dev/console
  std::uint16_t rows = 0;
  std::uint16_t columns = 0;
};

struct Limit {
  int resource = 0;
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

struct CapabilityMasks {
  std::uint64_t bounding = 0;
  std::uint64_t effective = 0;
  std::uint64_t permitted = 0;
  std::uint64_t inheritable = 0;
  std::uint64_t ambient = 0;
  unsigned last = 63;  // of this kernel
};

// struct sched_attr of sched_setattr(2): its C headers collide with each other.
struct SchedulerAttributes {
  std::uint32_t size = 48;
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};
static_assert(sizeof(SchedulerAttributes) == 48);

// How the kernel shall run the process; each only where config.json says so.
struct Scheduling {
  bool wanted = false;
  bool early = false;  // scheduler and I/O priority by the host's root, before a user namespace takes that from it
  bool scheduler = false;
  SchedulerAttributes attributes;
  int io_priority = -1;          // of ioprio_set(2)
  View<unsigned long> affinity;  // of sched_setaffinity(2)
  long personality = -1;         // of personality(2)
  int memory_mode = -1;          // of set_mempolicy(2), flags included
  View<unsigned long> memory_nodes;
};

// The program itself comes later, by message (protocol.h): it is compiled while init makes the mounts.
struct Filter {
  bool wanted = false;
  unsigned flags = 0;
  bool listened = false;  // the runner takes the listener's descriptor and gives it to an agent
};

struct Segment {
  std::uintptr_t begin = 0;  // whole pages
  std::size_t size = 0;
  std::uint64_t offset = 0;  // in the file
  bool executable = false;
  bool writable = false;
};
inline constexpr std::uint32_t kMostSegments = 8;

// Another file for the program that runs: the same one, through a read-only mount.
struct SealPlan {
  int fd = -1;  // -1: /proc/PID/exe may be seen as it is
  std::uint32_t count = 0;
  Segment segments[kMostSegments];
  prctl_mm_map map = {};
};

struct InitPlan {
  SealPlan seal;
  int sync_fd = -1;
  int start_fd = -1;
  int enter_cgroup = -1;         // cgroup.procs, where clone3 could not make the process in its cgroup (launch.cc)
  int stdio[3] = {-1, -1, -1};   // each its own index or ≥ 3; all -1 with a terminal
  bool stdio_inherited = false;  // those in their place came to this program by execve: they are not close-on-exec
  int preserve_fds = 0;
  View<int> keep;  // sorted: every descriptor ≥ 3 + preserve_fds that a step needs

  const char* keyring = nullptr;  // name of the session keyring; "": a new anonymous one; nullptr: keep the caller's
  View<Join> joins;
  Birth birth = Birth::none;
  std::uint64_t birth_namespaces = 0;  // CLONE_NEW… of the second clone
  Join pid;                            // a PID namespace to be born into
  int user_namespace = -1;             // to enter before Birth::early
  bool new_time_namespace = false;
  const char* time_offsets = nullptr;  // lines of /proc/self/timens_offsets; nullptr: none
  bool new_cgroup_namespace = false;
  bool raise_loopback = false;  // of a network namespace that is made with the process
  const char* hostname = nullptr;
  const char* domainname = nullptr;
  int proc_fd = -1;  // the host's procfs, verified
  View<ProcWrite> proc_writes;

  RootPlan root;
  int enter_root = -1;  // of a container in its maker's mount namespace, where setns(2) leads to the namespace's root
  bool hooks = false;   // the runner wants to run programs before the root is changed
  Terminal terminal;

  Scheduling scheduling;
  View<Limit> limits;
  std::uint32_t umask = 0022;
  std::uint32_t stdio_owner = 0;  // the user as the host numbers it; 0: the descriptors stay as they are
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  View<gid_t> groups;
  CapabilityMasks capabilities;
  bool no_new_privileges = false;
  Filter filter;

  const char* working_directory = "/";
  View<const char*> candidates;  // paths the program may be at, in order
  const char* const* argv = nullptr;
  const char* const* envp = nullptr;
};
static_assert(std::is_trivially_copyable_v<InitPlan>);

}  // namespace slipway::runtime::init
