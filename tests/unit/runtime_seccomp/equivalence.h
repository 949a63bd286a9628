// Our seccomp compiler against libseccomp, the oracle.
//
// Allowed differences, as runtime/seccomp.h names them: ENOSYS for calls newer than the profile, KILL_PROCESS for foreign architectures,
// and the high half of arguments that the kernel does not read.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "oci/spec.h"

namespace slipway::tests {

// How many answers were the same. aborted: one is not, and which; another error: no filter, by us or by libseccomp.
Result<std::uint64_t> compare(const oci::Seccomp& profile);

// The kernel's own signatures (SYSCALL_DEFINE… of 6.1, argument types only) of the calls whose arguments filters look into: what of them it
// reads as 32 bits is written down here a second time, so that the compiler's table is not its own judge.
struct Prototype {
  const char* name;
  const char* arguments;
  unsigned ints() const;  // bit n: argument n has 32 bits
};
inline constexpr Prototype kPrototypes[] = {
    {"arch_prctl", "int,unsigned long"},
    {"bpf", "int,union bpf_attr *,unsigned"},
    {"fcntl", "unsigned,unsigned,unsigned long"},
    {"futex", "u32 *,int,u32,const struct __kernel_timespec *,u32 *,u32"},
    {"getsockopt", "int,int,int,char *,int *"},
    {"ioctl", "unsigned,unsigned,unsigned long"},
    {"keyctl", "int,unsigned long,unsigned long,unsigned long,unsigned long"},
    {"kill", "pid_t,int"},
    {"memfd_create", "const char *,unsigned"},
    {"open", "const char *,int,umode_t"},
    {"openat", "int,const char *,int,umode_t"},
    {"perf_event_open", "struct perf_event_attr *,pid_t,int,int,unsigned long"},
    {"personality", "unsigned"},
    {"prctl", "int,unsigned long,unsigned long,unsigned long,unsigned long"},
    {"seccomp", "unsigned,unsigned,void *"},
    {"setns", "int,int"},
    {"setsockopt", "int,int,int,char *,int"},
    {"socket", "int,int,int"},
    {"socketpair", "int,int,int,int *"},
    {"syslog", "int,char *,int"},
    {"tgkill", "pid_t,pid_t,int"},
    {"userfaultfd", "int"},
};

}  // namespace slipway::tests
