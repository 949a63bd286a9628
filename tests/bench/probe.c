/* Run as a container's program: says in comparable lines how it is confined. What may differ between runtimes (device numbers,
 * how a path is masked) is not printed, what it means is. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kube.h"

static void print_status(void) {
  static const char* const kFields[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
                                        "Uid",    "Gid",    "Groups", "Umask",  "SigBlk", "SigIgn"};
  FILE* file = fopen("/proc/self/status", "re");
  char line[512];
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    for (size_t i = 0; i < COUNT(kFields); ++i)
      if (strncmp(line, kFields[i], strlen(kFields[i])) == 0 && line[strlen(kFields[i])] == ':') printf("status %s", line);
  if (file != NULL) fclose(file);
}

static int hidden_or_readonly(const char* path) {
  for (size_t i = 0; i < COUNT(kMasked); ++i)
    if (strcmp(path, kMasked[i]) == 0) return 1;
  for (size_t i = 0; i < COUNT(kReadonly); ++i)
    if (strcmp(path, kReadonly[i]) == 0) return 1;
  return 0;
}

/* Only the options that confine. */
static void print_options(const char* options) {
  static const char* const kKnown[] = {"ro", "rw", "nosuid", "nodev", "noexec"};
  char copy[264];
  snprintf(copy, sizeof copy, ",%s,", options);
  for (size_t i = 0; i < COUNT(kKnown); ++i) {
    char wanted[16];
    snprintf(wanted, sizeof wanted, ",%s,", kKnown[i]);
    if (strstr(copy, wanted) != NULL) printf(" %s", kKnown[i]);
  }
}

static void print_mounts(void) {
  FILE* file = fopen("/proc/self/mountinfo", "re");
  char line[4096], path[1024], options[256], kind[64];
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    const char* dash = strstr(line, " - ");
    if (dash == NULL || sscanf(line, "%*s %*s %*s %*s %1023s %255s", path, options) != 2 || sscanf(dash, " - %63s", kind) != 1) continue;
    if (hidden_or_readonly(path)) continue;
    printf("mount %s %s", path, kind);
    print_options(options);
    printf("\n");
  }
  if (file != NULL) fclose(file);
}

static int is_empty_directory(const char* path) {
  DIR* dir = opendir(path);
  int entries = 0;
  while (dir != NULL && readdir(dir) != NULL) ++entries;
  if (dir != NULL) closedir(dir);
  return dir != NULL && entries == 2;
}

static void print_masked(const char* path) {
  struct stat st;
  char byte;
  if (stat(path, &st) != 0) {
    printf("masked %s absent\n", path);
  } else if (S_ISDIR(st.st_mode)) {
    printf("masked %s directory %s\n", path, is_empty_directory(path) ? "empty" : "VISIBLE");
  } else {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    printf("masked %s file %s\n", path, fd < 0 || read(fd, &byte, 1) <= 0 ? "empty" : "VISIBLE");
    if (fd >= 0) close(fd);
  }
}

static void print_readonly(const char* path) {
  errno = 0;
  const int r = access(path, W_OK);
  printf("readonly %s %s\n", path, r == 0 ? "WRITABLE" : errno == ENOENT ? "absent" : errno == EROFS ? "EROFS" : "refused");
}

static void print_first_line(const char* path) {
  FILE* file = fopen(path, "re");
  char line[256] = "";
  if (file != NULL && fgets(line, sizeof line, file) != NULL) line[strcspn(line, "\n")] = '\0';
  printf("file %s %s\n", path, line);
  if (file != NULL) fclose(file);
}

/* A node may be made of any device; what the cgroup's rules leave of it shows when it is opened. */
static void try_device(const char* name, unsigned kind, unsigned major, unsigned minor) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/%s", name);
  errno = 0;
  const int made = mknod(path, kind | 0600, makedev(major, minor));
  printf("device-rule %s make %s", name, made == 0 ? "ok" : strerrorname_np(errno));
  errno = 0;
  const int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  printf(" open %s\n", fd >= 0 ? "ok" : strerrorname_np(errno));
  if (fd >= 0) close(fd);
  unlink(path);
}

static void print_device_rules(void) {
  try_device("null", S_IFCHR, 1, 3);
  try_device("mem", S_IFCHR, 1, 1);
  try_device("kmsg", S_IFCHR, 1, 11);
  try_device("loop0", S_IFBLK, 7, 0);
  try_device("pts", S_IFCHR, 136, 9999);
}

static void print_rlimits(void) {
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) == 0)
      printf("rlimit %d %llx %llx\n", resource, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
  }
}

/* The files of one's own cgroup, where the controllers are. */
static void print_cgroup_limits(void) {
  static const char* const kFiles[] = {"memory.max",  "memory.low", "memory.high",    "memory.swap.max", "memory.oom.group",
                                       "pids.max",    "cpu.max",    "cpu.weight",     "cpu.idle",        "cpuset.cpus",
                                       "cpuset.mems", "io.weight",  "hugetlb.2MB.max"};
  for (size_t i = 0; i < COUNT(kFiles); ++i) {
    char path[64];
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s", kFiles[i]);
    if (access(path, F_OK) == 0) print_first_line(path);
  }
}

static int by_name(const void* a, const void* b) {
  return strcmp(*(char* const*)a, *(char* const*)b);
}

static void print_devices(void) {
  DIR* dir = opendir("/dev");
  char* names[256];
  size_t n = 0;
  for (struct dirent* e; dir != NULL && n < COUNT(names) && (e = readdir(dir)) != NULL;) names[n++] = strdup(e->d_name);
  qsort(names, n, sizeof names[0], by_name);
  for (size_t i = 0; i < n; ++i) {
    struct stat st;
    char path[300];
    snprintf(path, sizeof path, "/dev/%s", names[i]);
    if (lstat(path, &st) != 0 || !S_ISCHR(st.st_mode)) continue;
    printf("device %s %u:%u %o\n", names[i], major(st.st_rdev), minor(st.st_rdev), st.st_mode & 07777);
  }
  if (dir != NULL) closedir(dir);
}

static void print_descriptors(void) {
  for (int fd = 0; fd < 256; ++fd)
    if (fcntl(fd, F_GETFD) >= 0) printf("descriptor %d\n", fd);
}

static void print_namespaces(void) {
  static const char* const kKinds[] = {"pid", "net", "ipc", "uts", "mnt", "cgroup", "user", "time"};
  for (size_t i = 0; i < COUNT(kKinds); ++i) {
    char path[64], link[64];
    snprintf(path, sizeof path, "/proc/self/ns/%s", kKinds[i]);
    const ssize_t n = readlink(path, link, sizeof link);
    printf("namespace %s %.*s\n", kKinds[i], (int)(n < 0 ? 0 : n), link);
  }
}

static void try_call(const char* name, long number, long a, long b, long c, long d, long e) {
  errno = 0;
  const long r = syscall(number, a, b, c, d, e);
  printf("syscall %s %s\n", name, r >= 0 ? "ok" : strerrorname_np(errno));
}

/* Harmless calls whose answer tells the filter: refused ones, conditional ones, allowed ones that then fail for their own reason. */
static void print_filter(void) {
  try_call("add_key", SYS_add_key, 0, 0, 0, 0, 0);
  try_call("keyctl", SYS_keyctl, 0, 0, 0, 0, 0);
  try_call("bpf", SYS_bpf, 0, 0, 0, 0, 0);
  try_call("perf_event_open", SYS_perf_event_open, 0, 0, 0, 0, 0);
  try_call("userfaultfd", SYS_userfaultfd, -1, 0, 0, 0, 0);
  try_call("unshare-user", SYS_unshare, 0x10000000, 0, 0, 0, 0);
  try_call("unshare-0", SYS_unshare, 0, 0, 0, 0, 0);
  try_call("mount", SYS_mount, 0, 0, 0, 0, 0);
  try_call("setns", SYS_setns, -1, 0, 0, 0, 0);
  try_call("clone3", SYS_clone3, 0, 0, 0, 0, 0);
  try_call("clone-newuser", SYS_clone, 0x10000000 | 0x80000000L, 0, 0, 0, 0);
  try_call("personality-query", SYS_personality, 0xffffffff, 0, 0, 0, 0);
  try_call("personality-other", SYS_personality, 0x0040000, 0, 0, 0, 0);
  try_call("socket-vsock", SYS_socket, 40, 1, 0, 0, 0);
  try_call("socket-bad", SYS_socket, 1, 99, 0, 0, 0);
  try_call("kexec_load", SYS_kexec_load, 0, 0, 0, 0, 0);
  try_call("read-bad", SYS_read, -1, 0, 0, 0, 0);
  try_call("ptrace", SYS_ptrace, 99, 0, 0, 0, 0);
}

static void print_file(const char* what, const char* path) {
  char line[512];
  FILE* file = fopen(path, "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) printf("%s %s", what, line);
  if (file != NULL) fclose(file);
}

int main(void) {
  char cwd[512];
  print_status();
  print_mounts();
  for (size_t i = 0; i < COUNT(kMasked); ++i) print_masked(kMasked[i]);
  for (size_t i = 0; i < COUNT(kReadonly); ++i) print_readonly(kReadonly[i]);
  print_devices();
  print_device_rules();
  print_descriptors();
  print_namespaces();
  print_filter();
  print_first_line("/sys/class/net/lo/flags");
  print_file("hostname", "/proc/sys/kernel/hostname");
  print_file("oom_score_adj", "/proc/self/oom_score_adj");
  print_file("cgroup", "/proc/self/cgroup");
  print_rlimits();
  print_cgroup_limits();
  printf("cwd %s\npid %d\n", getcwd(cwd, sizeof cwd), getpid());
  return 0;
}
