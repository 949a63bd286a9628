/* The least that a start of the bench's container can cost: the same namespaces, mounts, masks, capabilities and filter by bare
 * system calls, without a config.json, state, hooks or errors worth reading.   floor BUNDLE CGROUP PROGRAM */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kube.h"

#define MUST(call)              \
  do {                          \
    if ((call) < 0) die(#call); \
  } while (0)

static void die(const char* what) {
  dprintf(2, "floor: %s: %s\n", what, strerror(errno));
  _exit(125);
}

static struct sock_filter program[8192];
static struct sock_fprog filter = {0, program};

static void read_filter(void) {
  const int fd = open("filter.bpf", O_RDONLY | O_CLOEXEC);
  MUST(fd);
  const ssize_t n = read(fd, program, sizeof program);
  MUST(n);
  filter.len = (unsigned short)((size_t)n / sizeof program[0]);
  close(fd);
}

struct mount_entry {
  const char *target, *kind, *data;
  unsigned long flags;
};
static const struct mount_entry kMounts[] = {
    {"proc", "proc", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
    {"dev", "tmpfs", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME},
    {"dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MS_NOSUID | MS_NOEXEC},
    {"dev/mqueue", "mqueue", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
    {"dev/shm", "tmpfs", "mode=1777,size=65536k", MS_NOSUID | MS_NOEXEC | MS_NODEV},
    {"sys", "sysfs", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY},
    {"sys/fs/cgroup", "cgroup2", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RELATIME | MS_RDONLY},
};

struct bind_entry {
  const char *source, *target;
  int readonly;
};
static const struct bind_entry kBinds[] = {
    {"../files/hosts", "etc/hosts", 0},
    {"../files/hostname", "etc/hostname", 0},
    {"../files/resolv.conf", "etc/resolv.conf", 0},
    {"../files/termination-log", "dev/termination-log", 0},
    {"../files/secret", "var/run/secrets/kubernetes.io/serviceaccount", 1},
};

struct device_entry {
  const char* path;
  unsigned minor, major;
};
static const struct device_entry kDevices[] = {{"dev/null", 3, 1},   {"dev/zero", 5, 1},    {"dev/full", 7, 1},
                                               {"dev/random", 8, 1}, {"dev/urandom", 9, 1}, {"dev/tty", 0, 5}};

static void fill_dev(void) {
  for (size_t i = 0; i < COUNT(kDevices); ++i) MUST(mknod(kDevices[i].path, S_IFCHR | 0666, makedev(kDevices[i].major, kDevices[i].minor)));
  MUST(symlink("/proc/self/fd", "dev/fd"));
  MUST(symlink("/proc/self/fd/0", "dev/stdin"));
  MUST(symlink("/proc/self/fd/1", "dev/stdout"));
  MUST(symlink("/proc/self/fd/2", "dev/stderr"));
  MUST(symlink("pts/ptmx", "dev/ptmx"));
  MUST(symlink("/proc/kcore", "dev/core"));
  MUST(mkdir("dev/pts", 0755));
  MUST(mkdir("dev/mqueue", 0755));
  MUST(mkdir("dev/shm", 0755));
  const int fd = open("dev/termination-log", O_CREAT | O_RDONLY | O_CLOEXEC, 0644);
  MUST(fd);
  close(fd);
}

static void attach_mounts(void) {
  for (size_t i = 0; i < COUNT(kMounts); ++i) {
    const struct mount_entry* m = &kMounts[i];
    MUST(mount(m->kind, m->target, m->kind, m->flags, m->data));
    if (strcmp(m->target, "dev") == 0) fill_dev();
  }
  for (size_t i = 0; i < COUNT(kBinds); ++i) {
    MUST(mount(kBinds[i].source, kBinds[i].target, NULL, MS_BIND | MS_REC, NULL));
    if (kBinds[i].readonly) MUST(mount(NULL, kBinds[i].target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
  }
}

static void hide_paths(void) {
  for (size_t i = 0; i < COUNT(kMasked); ++i) {
    if (mount("/dev/null", kMasked[i], NULL, MS_BIND, NULL) == 0 || errno == ENOENT) continue;
    if (errno != ENOTDIR) die(kMasked[i]);
    MUST(mount("tmpfs", kMasked[i], "tmpfs", MS_RDONLY, "size=0k"));
  }
  for (size_t i = 0; i < COUNT(kReadonly); ++i) {
    if (mount(kReadonly[i], kReadonly[i], NULL, MS_BIND | MS_REC, NULL) != 0) {
      if (errno == ENOENT) continue;
      die(kReadonly[i]);
    }
    MUST(mount(NULL, kReadonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
  }
}

static void drop_privileges(void) {
  uint64_t keep = 0;
  for (size_t i = 0; i < COUNT(kCapabilities); ++i) keep |= UINT64_C(1) << kCapabilities[i];
  for (int i = 0; i <= 40; ++i)
    if ((keep >> i & 1) == 0) MUST(prctl(PR_CAPBSET_DROP, i, 0, 0, 0));
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{(uint32_t)keep, (uint32_t)keep, 0}, {(uint32_t)(keep >> 32), (uint32_t)(keep >> 32), 0}};
  MUST(syscall(SYS_capset, &header, data));
  MUST(syscall(SYS_setgroups, 0, NULL));
  MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter));
}

/* The default device rules (config-linux.md, "Default Devices"), as a runtime compiles them. */
#define INSN(op, d, s, o, i) \
  { .code = (op), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }
#define LOAD_FIELD(d, field) INSN(BPF_LDX | BPF_MEM | BPF_W, d, 1, offsetof(struct bpf_cgroup_dev_ctx, field), 0)
#define UNLESS(r, value, over) INSN(BPF_JMP32 | BPF_JNE | BPF_K, r, 0, over, value)
#define WHEN(r, value, over) INSN(BPF_JMP32 | BPF_JEQ | BPF_K, r, 0, over, value)
#define ANSWER(yes) INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, yes), INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
static const struct bpf_insn kDeviceRules[] = {
    LOAD_FIELD(2, access_type),
    INSN(BPF_ALU | BPF_MOV | BPF_X, 3, 2, 0, 0),
    INSN(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16),
    INSN(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xFFFF),
    LOAD_FIELD(4, major),
    LOAD_FIELD(5, minor),
    UNLESS(2, BPF_DEVCG_DEV_CHAR, 14),
    WHEN(4, 136, 11),
    UNLESS(4, 5, 4),
    WHEN(5, 0, 9),
    WHEN(5, 1, 8),
    WHEN(5, 2, 7),
    INSN(BPF_JMP | BPF_JA, 0, 0, 8, 0),
    UNLESS(4, 1, 7),
    WHEN(5, 3, 4),
    WHEN(5, 5, 3),
    WHEN(5, 7, 2),
    WHEN(5, 8, 1),
    UNLESS(5, 9, 2),
    ANSWER(1),
    UNLESS(3, BPF_DEVCG_ACC_MKNOD, 2),
    ANSWER(1),
    ANSWER(0),
};

static void bind_devices(int cgroup) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = (uintptr_t)kDeviceRules;
  attr.insn_cnt = COUNT(kDeviceRules);
  attr.license = (uintptr_t) "Apache-2.0";
  const long program_fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
  MUST(program_fd);
  memset(&attr, 0, sizeof attr);
  attr.target_fd = (uint32_t)cgroup;
  attr.attach_bpf_fd = (uint32_t)program_fd;
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = BPF_F_ALLOW_MULTI;
  MUST(syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr));
  close((int)program_fd);
}

static void raise_loopback(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  MUST(fd);
  MUST(ioctl(fd, SIOCSIFFLAGS, &request));
  close(fd);
}

static void container(const char* path) {
  MUST(setsid());
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  MUST(fd);
  MUST(write(fd, "1000", 4));
  close(fd);
  umask(0);
  MUST(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "_ses.bench")); /* else the caller's is the container's, as with no runtime */
  MUST(sethostname("bench", 5));
  raise_loopback();
  MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  MUST(mount("rootfs", "rootfs", NULL, MS_BIND | MS_REC, NULL));
  MUST(chdir("rootfs"));
  attach_mounts();
  MUST(syscall(SYS_pivot_root, ".", "."));
  MUST(umount2(".", MNT_DETACH));
  MUST(chdir("/"));
  hide_paths();
  umask(022);
  drop_privileges();
  char* const argv[] = {(char*)path, NULL};
  char* const envp[] = {"PATH=/bin", "HOME=/root", NULL};
  execve(path, argv, envp);
  die("execve");
}

int main(int argc, char** argv) {
  if (argc != 4) return dprintf(2, "usage: floor BUNDLE CGROUP PROGRAM\n"), 2;
  MUST(chdir(argv[1]));
  read_filter();
  MUST(mkdir(argv[2], 0755));
  const int cgroup = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  MUST(cgroup);
  bind_devices(cgroup);
  struct clone_args args = {
      .flags = CLONE_INTO_CGROUP | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWCGROUP,
      .exit_signal = SIGCHLD,
      .cgroup = (uint64_t)cgroup};
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  MUST(pid);
  if (pid == 0) container(argv[3]);
  int status = 0;
  MUST(waitpid((pid_t)pid, &status, 0));
  MUST(rmdir(argv[2]));
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
