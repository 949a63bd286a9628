// The filter's flags, and handing it to the kernel.
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/seccomp.h"

namespace slipway::runtime {

Result<unsigned> seccomp_flags(const oci::Seccomp& profile) {
  constexpr std::pair<std::string_view, unsigned> kFlags[] = {
      {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
      {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
      {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
      {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
  };
  const bool listens = has_listener(profile);
  unsigned flags = listens ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
  for (std::size_t i = 0; i < profile.flags.size(); ++i) {
    const std::string& name = profile.flags[i];
    if (name == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" && !listens)
      return fail(Code::invalid_argument, "linux.seccomp.flags[{}]: '{}' needs a rule with SCMP_ACT_NOTIFY", i, name);
    bool known = false;
    for (const auto& [flag, bit] : kFlags) {
      if (flag != name) continue;
      flags |= bit;
      known = true;
    }
    if (!known) return fail(Code::invalid_argument, "linux.seccomp.flags[{}]: '{}' is not known", i, name);
  }
  // Both give the call's answer another meaning, and init has one thread only.
  return listens ? flags & ~static_cast<unsigned>(SECCOMP_FILTER_FLAG_TSYNC) : flags;
}

Result<void> load_seccomp(std::span<const sock_filter> program, unsigned flags) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
  // With TSYNC a positive answer is the thread that could not follow.
  const long answer = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
  if (answer < 0) return fail_errno(errno, "load a seccomp filter of {} instructions", program.size());
  if (answer > 0) return fail(Code::failed_precondition, "load a seccomp filter: thread {} has another one", answer);
  return {};
}

}  // namespace slipway::runtime
