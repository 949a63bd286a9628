// Who the container is and what it may do: limits, user, capabilities, system call filter.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/weaken.h"
#include "runtime/init/steps.h"

namespace slipway::runtime::init {
namespace {

constexpr unsigned kLowWord = 0xffffffff;

int set_caps(std::uint64_t effective, std::uint64_t permitted, std::uint64_t inheritable) noexcept {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int word = 0; word < 2; ++word) {
    data[word].effective = static_cast<unsigned>(effective >> (32 * word)) & kLowWord;
    data[word].permitted = static_cast<unsigned>(permitted >> (32 * word)) & kLowWord;
    data[word].inheritable = static_cast<unsigned>(inheritable >> (32 * word)) & kLowWord;
  }
  return static_cast<int>(::syscall(SYS_capset, &header, data));
}

// After a change of user the permitted set is still there (keep-caps), the effective one is not.
int raise_permitted() noexcept {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return -1;
  data[0].effective = data[0].permitted;
  data[1].effective = data[1].permitted;
  return static_cast<int>(::syscall(SYS_capset, &header, data));
}

long load(const Filter& filter, Progress& progress) noexcept {
  Confinement& confinement = progress.confinement;
  sock_fprog program = {static_cast<std::uint16_t>(confinement.told.message.index), confinement.filter};
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter.flags, &program);
}

// The lowest free number is what the kernel will give the listener: nobody else opens anything here.
Failure load_listened(const InitPlan& plan, Progress& progress) noexcept {
  const int number = ::fcntl(plan.sync_fd, F_DUPFD_CLOEXEC, 0);
  if (number < 0 || ::close(number) != 0) return failed(Step::seccomp, 1);
  Message message{Kind::listening, Step::none, static_cast<std::uint32_t>(number), 0};
  if (::send(plan.sync_fd, &message, sizeof message, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof message)) return failed(Step::seccomp, 2);
  const long listener = load(plan.filter, progress);
  if (listener < 0) return failed(Step::seccomp);
  if (receive_message(plan.sync_fd, &message) != 0) return failed(Step::seccomp, 4);
  return ::close(static_cast<int>(listener)) == 0 ? Failure{} : failed(Step::seccomp, 3);
}

Failure load_filter(const InitPlan& plan, Progress& progress) noexcept {
  if (weakened(Defence::seccomp)) return {};
  if (plan.filter.listened) return load_listened(plan, progress);
  return load(plan.filter, progress) == 0 ? Failure{} : failed(Step::seccomp);
}

}  // namespace

bool has_capability(unsigned capability) noexcept {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  return ::syscall(SYS_capget, &header, data) == 0 && ((data[capability / 32].effective >> (capability % 32)) & 1) != 0;
}

// Above its hard limit only the host's root may raise one, and that is this process not much longer.
Failure raise_limits(const InitPlan& plan, Progress&) noexcept {
  if (plan.user_namespace < 0) return {};
  std::uint32_t index = 0;
  for (const Limit& limit : plan.limits) {
    rlimit64 value = {};
    if (::syscall(SYS_prlimit64, 0, limit.resource, nullptr, &value) != 0) return failed(Step::rlimit, index);
    if (limit.hard > value.rlim_max) {
      value.rlim_max = limit.hard;
      if (::syscall(SYS_prlimit64, 0, limit.resource, &value, nullptr) != 0) return failed(Step::rlimit, index);
    }
    ++index;
  }
  return {};
}

Failure set_limits(const InitPlan& plan, Progress&) noexcept {
  (void)::umask(plan.umask);
  std::uint32_t index = 0;
  for (const Limit& limit : plan.limits) {
    const rlimit64 value = {limit.soft, limit.hard};
    if (::syscall(SYS_prlimit64, 0, limit.resource, &value, nullptr) != 0) return failed(Step::rlimit, index);
    ++index;
  }
  return {};
}

Failure drop_bounding(const InitPlan& plan, Progress&) noexcept {
  for (unsigned cap = 0; cap <= plan.capabilities.last; ++cap) {
    if (((plan.capabilities.bounding >> cap) & 1) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) return failed(Step::bounding, cap);
  }
  return {};
}

void hide() noexcept {
  if (!weakened(Defence::undumpable)) (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

namespace {

// An ordinary user's namespace may forbid to leave groups ("deny" in /proc/PID/setgroups): refused although the capability is there. Who
// asked for none keeps those of the user, which are all "nobody" inside.
bool leaves_groups(const InitPlan& plan) noexcept {
  if (::syscall(SYS_setgroups, plan.groups.size, plan.groups.data) == 0) return true;
  const bool denied = errno == EPERM && plan.groups.empty() && has_capability(CAP_SETGID);
  if (!denied) errno = EPERM;
  return denied;
}

}  // namespace

Failure set_user(const InitPlan& plan, Progress&) noexcept {
  // By number, past libc: its wrappers would signal other threads, and there are none.
  if (!weakened(Defence::groups) && !leaves_groups(plan)) return failed(Step::groups);
  if (::syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) != 0) return failed(Step::user, 1);
  if (plan.uid != 0 && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return failed(Step::capabilities, 1);
  if (::syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) != 0) return failed(Step::user);
  if (plan.uid != 0 && raise_permitted() != 0) return failed(Step::capabilities, 2);
  hide();
  return {};
}

Failure forbid_new_privileges(const InitPlan& plan, Progress&) noexcept {
  if (plan.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed(Step::no_new_privileges);
  return {};
}

Failure confine_with_privilege(const InitPlan& plan, Progress& progress) noexcept {
  return plan.filter.wanted && !plan.no_new_privileges ? load_filter(plan, progress) : Failure{};
}

// Before others can see it a process has no more than the program will have, and what loading the filter takes.
Failure shed_capabilities(const InitPlan& plan, Progress&) noexcept {
  if (plan.birth != Birth::late) return {};
  const CapabilityMasks& caps = plan.capabilities;
  const bool loads_later = plan.filter.wanted && !plan.no_new_privileges;
  const std::uint64_t needed = loads_later ? std::uint64_t{1} << CAP_SYS_ADMIN : 0;
  return set_caps(caps.effective | needed, caps.permitted | needed, caps.inheritable) == 0 ? Failure{} : failed(Step::capabilities, 3);
}

Failure set_capabilities(const InitPlan& plan, Progress&) noexcept {
  const CapabilityMasks& caps = plan.capabilities;
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return failed(Step::ambient, 64);
  if (set_caps(caps.effective, caps.permitted, caps.inheritable) != 0) return failed(Step::capabilities);
  for (unsigned cap = 0; cap < 64; ++cap) {
    if (((caps.ambient >> cap) & 1) == 0) continue;
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) != 0) return failed(Step::ambient, cap);
  }
  return {};
}

Failure confine_listened(const InitPlan& plan, Progress& progress) noexcept {
  return plan.filter.listened && plan.no_new_privileges ? load_filter(plan, progress) : Failure{};
}

Failure confine(const InitPlan& plan, Progress& progress) noexcept {
  const bool now = plan.filter.wanted && plan.no_new_privileges && !plan.filter.listened;
  return now ? load_filter(plan, progress) : Failure{};
}

}  // namespace slipway::runtime::init
