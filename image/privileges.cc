// Capabilities, Landlock, seccomp and limits of the worker.
#include "image/privileges.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <iterator>

#include "sys/file.h"

namespace slipway::image {
namespace {

// SYS_ADMIN is for trusted.overlay.opaque alone; what else it could do, the filter below takes away.
constexpr int kKept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_SETFCAP, CAP_SYS_ADMIN};
#if defined(__SANITIZE_ADDRESS__)
constexpr rlim_t kMemory = RLIM_INFINITY;  // its shadow alone is terabytes
#else
constexpr rlim_t kMemory = 2ULL << 30;
#endif

Result<void> drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct now[2] = {};
  if (::syscall(SYS_capget, &header, now) != 0) return fail_errno(errno, "read the capabilities");
  __user_cap_data_struct keep[2] = {};
  for (const int cap : kKept) keep[cap / 32].permitted |= 1U << (cap % 32);
  for (int i = 0; i < 2; ++i) {
    keep[i].permitted &= now[i].permitted;
    keep[i].effective = keep[i].permitted;
    keep[i].inheritable = 0;
  }
  if (::syscall(SYS_capset, &header, keep) != 0) return fail_errno(errno, "give up capabilities");
  return {};
}

constexpr unsigned kDenied[] = {
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_move_mount,
    SYS_open_tree,
    SYS_mount_setattr,
    SYS_setns,
    SYS_unshare,
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_add_key,
    SYS_keyctl,
    SYS_request_key,
    SYS_swapon,
    SYS_swapoff,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_quotactl,
    SYS_lookup_dcookie,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_acct,
    SYS_syslog,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_fanotify_init,
};

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "slipway-image: name this architecture's AUDIT_ARCH"
#endif

// A list of what is denied, not of what is allowed: the C library, OpenSSL and name resolution change what they call, and the
// purpose here is to blunt SYS_ADMIN and take exec away.
Result<void> load_filter() {
  std::vector<sock_filter> program;
  const auto add = [&](unsigned short code, unsigned char yes, unsigned char no, unsigned value) {
    program.push_back({code, yes, no, value});
  };
  add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, arch));
  add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, kArchitecture);
  add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
  add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr));
#if defined(__x86_64__)
  add(BPF_JMP | BPF_JGE | BPF_K, static_cast<unsigned char>(std::size(kDenied) + 1), 0, 0x40000000U);  // the x32 numbers
#endif
  for (std::size_t i = 0; i < std::size(kDenied); ++i)
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned char>(std::size(kDenied) - i), 0, kDenied[i]);
  add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
  add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM);
  const sock_fprog code{static_cast<unsigned short>(program.size()), program.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &code) != 0) return fail_errno(errno, "load the system call filter");
  return {};
}

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kAll = kRead | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                               LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                               LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                               LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;

Result<void> allow(FdRef rules, const std::string& path, std::uint64_t access) {
  auto dir = sys::open_path(path, O_PATH);
  if (!dir.ok()) return {};  // what is not there need not be reached
  struct stat st {};
  if (::fstat(dir.value().get(), &st) == 0 && !S_ISDIR(st.st_mode)) access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE;
  const landlock_path_beneath_attr rule{.allowed_access = access, .parent_fd = dir.value().get()};
  if (::syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
    return fail_errno(errno, "Landlock rule for {}", path);
  return {};
}

Result<void> restrict_files(const Confinement& wish) {
  // REMOVE-WHEN: kernel >= 5.19 everywhere: ABI 1 forbids hard links across directories, which layers have.
  if (::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) < 2) return {};
  const landlock_ruleset_attr attributes{.handled_access_fs = kAll};
  const UniqueFd rules(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!rules) return fail_errno(errno, "make the Landlock rules");
  TRY(allow(rules, wish.root, kAll & ~LANDLOCK_ACCESS_FS_EXECUTE));
  // Resolver and its modules, certificates, the time zone data that libraries look at.
  for (const char* path :
       {"/etc", "/usr/lib", "/usr/share", "/lib", "/lib64", "/run/systemd/resolve", "/run/resolvconf", "/dev/urandom", "/proc/self"})
    TRY(allow(rules, path, kRead | LANDLOCK_ACCESS_FS_EXECUTE));
  TRY(allow(rules, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE));
  for (const std::string& path : wish.readable) TRY(allow(rules, path, kRead));
  if (!wish.faults.empty()) TRY(allow(rules, wish.faults, kAll & ~LANDLOCK_ACCESS_FS_EXECUTE));
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) return fail_errno(errno, "enter the Landlock rules");
  return {};
}

}  // namespace

Result<void> confine(const Confinement& wish) {
  ::umask(0);                           // modes are what the layer says
  (void)std::signal(SIGXFSZ, SIG_IGN);  // a sparse file longer than the file system allows is an error, not a crash
  (void)std::signal(SIGPIPE, SIG_IGN);
  const rlimit none{0, 0}, memory{kMemory, kMemory};
  if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::setrlimit(RLIMIT_DATA, &memory) != 0) return fail_errno(errno, "set limits");
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) return fail_errno(errno, "hide from debuggers");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno(errno, "forbid new privileges");
  TRY(restrict_files(wish));
  TRY(drop_capabilities());
  return load_filter();
}

}  // namespace slipway::image
