// Exec sessions whose end somebody waits for: the monitor's event turns a waiter's eventfd readable.
//
// Any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::engine {

class ExecSessions {
 public:
  struct Session {
    std::string pod_id;
    UniqueFd ended;  // eventfd(2)
    std::mutex mutex;
    std::optional<std::int32_t> exit_code;
    bool lost = false;  // the monitor went away
  };

  Result<std::shared_ptr<Session>> open(const std::string& id, const std::string& pod_id);
  void close(const std::string& id);
  void ended(const std::string& id, std::int32_t exit_code);  // unknown = nobody waits any more
  void lost(const std::string& pod_id);

 private:
  static void tell(Session& session);

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Session>> sessions_;
};

}  // namespace slipway::engine
