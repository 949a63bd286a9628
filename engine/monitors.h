// The monitors of all pods as the operations see them: one client per living monitor, by pod id.
//
// Which program a monitor is and how its socket is spoken to is behind MonitorStarter (monitor_link.*); tests bring their own.
// Any thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "slipway/monitor.pb.h"

namespace slipway::engine {

struct MonitorReply {
  monitor::Reply reply;
  std::vector<UniqueFd> fds;
};

// The connection to one monitor. A reply with another code than 0 comes back as an Error with that code.
class MonitorClient {
 public:
  virtual ~MonitorClient() = default;
  virtual Result<MonitorReply> call(monitor::Request request, std::span<const int> fds, std::chrono::milliseconds timeout) = 0;
  virtual Result<void> acknowledge(std::uint64_t sequence) = 0;
  // No more events, no loss is told after it returns; the monitor goes on. Never called from within a hook.
  virtual void close() = 0;
  const monitor::Welcome& welcome() const { return welcome_; }

 protected:
  explicit MonitorClient(monitor::Welcome welcome) : welcome_(std::move(welcome)) {}

 private:
  monitor::Welcome welcome_;
};

// Called on the client's thread, one at a time per client, in the order of events. They must not call the client but for
// acknowledge.
struct MonitorHooks {
  std::function<void(MonitorClient&, const monitor::Event&)> on_event;
  std::function<void()> on_lost;  // once: the connection ended and close() was not called
};

class MonitorStarter {
 public:
  virtual ~MonitorStarter() = default;
  // Starts a monitor and connects. On error there is none. No hook is called before it returns… but events may follow at once.
  virtual Result<std::shared_ptr<MonitorClient>> start(const monitor::PodConfig& config, MonitorHooks hooks) = 0;
  // Connects to one that an earlier slipwayd started; not_found, unavailable or data_loss (another pod's) when it is gone, any other code
  // when it is there and does not answer.
  virtual Result<std::shared_ptr<MonitorClient>> adopt(const std::string& pod_id, const std::string& directory, std::uint64_t last_sequence,
                                                       MonitorHooks hooks) = 0;
};

class Monitors {
 public:
  void put(const std::string& pod_id, std::shared_ptr<MonitorClient> client);
  // failed_precondition when the pod has no living monitor.
  Result<std::shared_ptr<MonitorClient>> find(const std::string& pod_id) const;
  // Takes it out: null when there is none.
  std::shared_ptr<MonitorClient> take(const std::string& pod_id);
  std::vector<std::shared_ptr<MonitorClient>> take_all();

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<MonitorClient>> clients_;
};

}  // namespace slipway::engine
