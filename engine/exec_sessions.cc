// Exec sessions whose end somebody waits for: a map of eventfds.
#include "engine/exec_sessions.h"

#include <sys/eventfd.h>

#include <cerrno>

namespace slipway::engine {

Result<std::shared_ptr<ExecSessions::Session>> ExecSessions::open(const std::string& id, const std::string& pod_id) {
  auto session = std::make_shared<Session>();
  session->pod_id = pod_id;
  session->ended = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!session->ended) return fail_errno(errno, "eventfd");
  const std::lock_guard lock(mutex_);
  sessions_[id] = session;
  return session;
}

void ExecSessions::close(const std::string& id) {
  const std::lock_guard lock(mutex_);
  sessions_.erase(id);
}

void ExecSessions::tell(Session& session) {
  (void)::eventfd_write(session.ended.get(), 1);
}

void ExecSessions::ended(const std::string& id, std::int32_t exit_code) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const std::lock_guard own(found->second->mutex);
  found->second->exit_code = exit_code;
  tell(*found->second);
}

void ExecSessions::lost(const std::string& pod_id) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, session] : sessions_) {
    if (session->pod_id != pod_id) continue;
    const std::lock_guard own(session->mutex);
    session->lost = true;
    tell(*session);
  }
}

}  // namespace slipway::engine
