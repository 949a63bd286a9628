/* The least that a start of the bench's container can cost: the same namespaces, mounts, masks, capabilities and filter by bare
 * system calls, without a config.json, state, hooks or errors worth reading.   floor BUNDLE CGROUP PROGRAM */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
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
  const int cgroup = open(argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
  MUST(cgroup);
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
