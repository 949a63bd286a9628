/* The container that the runner bench starts, as floor.c makes it by hand; bundle.py writes the same as config.json. */
#ifndef SLIPWAY_BENCH_KUBE_H
#define SLIPWAY_BENCH_KUBE_H

/* The default paths of CRI runtimes for an unprivileged container. */
static const char* const kMasked[] = {"/proc/acpi",        "/proc/asound",        "/proc/interrupts", "/proc/kcore",
                                      "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                                      "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap"};
static const char* const kReadonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

/* chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write setfcap */
static const int kCapabilities[] = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#endif
