// The specification's rules for a process, the container's own or one of exec.
#include <algorithm>
#include <array>
#include <set>

#include "oci/parse.h"

namespace slipway::oci {
namespace {

template <class... Args>
Error wrong(fmt::format_string<Args...> text, Args&&... args) {
  return fail(Code::invalid_argument, text, std::forward<Args>(args)...);
}

constexpr std::array<std::string_view, 16> kRlimits = {
    "RLIMIT_AS",   "RLIMIT_CORE",   "RLIMIT_CPU",   "RLIMIT_DATA", "RLIMIT_FSIZE",  "RLIMIT_LOCKS",  "RLIMIT_MEMLOCK",    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS",  "RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK",
};

Result<void> check_user(const User& user) {
  constexpr std::uint32_t kNobody = UINT32_MAX;  // (uid_t)-1 means "leave it" to setresuid(2)
  if (user.uid == kNobody) return wrong("process.user.uid: {} is not a user", user.uid);
  if (user.gid == kNobody) return wrong("process.user.gid: {} is not a group", user.gid);
  for (std::size_t i = 0; i < user.additional_gids.size(); ++i)
    if (user.additional_gids[i] == kNobody) return wrong("process.user.additionalGids[{}]: {} is not a group", i, user.additional_gids[i]);
  if (user.umask && *user.umask > 0777) return wrong("process.user.umask: {} is more than 0777", *user.umask);
  return {};
}

Result<void> check_rlimits(const std::vector<Rlimit>& rlimits) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < rlimits.size(); ++i) {
    const Rlimit& r = rlimits[i];
    if (std::find(kRlimits.begin(), kRlimits.end(), r.type) == kRlimits.end())
      return wrong("process.rlimits[{}].type: '{}' is not known", i, r.type);
    if (!seen.insert(r.type).second) return wrong("process.rlimits[{}].type: '{}' comes twice", i, r.type);
    if (r.soft > r.hard) return wrong("process.rlimits[{}].soft: {} is more than the hard limit {}", i, r.soft, r.hard);
  }
  return {};
}

}  // namespace

Result<void> validate(const Process& process) {
  if (process.args.empty()) return wrong("process.args: is empty");
  if (process.args.front().empty()) return wrong("process.args[0]: is empty");
  if (!process.cwd.starts_with('/')) return wrong("process.cwd: '{}' is not absolute", process.cwd);
  for (std::size_t i = 0; i < process.env.size(); ++i) {
    const std::size_t equals = process.env[i].find('=');
    // The value may be a secret: it stays out of the message.
    if (equals == std::string::npos || equals == 0) return wrong("process.env[{}]: is not NAME=value", i);
  }
  if (process.oom_score_adj && (*process.oom_score_adj < -1000 || *process.oom_score_adj > 1000))
    return wrong("process.oomScoreAdj: {} is not from -1000 to 1000", *process.oom_score_adj);
  TRY(check_user(process.user));
  return check_rlimits(process.rlimits);
}

}  // namespace slipway::oci
