// MonitorStarter by the real program: spawn, connect, and the hooks on the reader's thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "engine/monitor_link.h"
#include "engine/monitors.h"

namespace slipway::engine {

// Any thread. Outlived by no client of its own.
class ProgramStarter final : public MonitorStarter {
 public:
  static Result<std::unique_ptr<ProgramStarter>> open(const std::string& program,
                                                      std::chrono::milliseconds timeout = std::chrono::seconds(30));

  Result<std::shared_ptr<MonitorClient>> start(const monitor::PodConfig& config, MonitorHooks hooks) override;
  Result<std::shared_ptr<MonitorClient>> adopt(const std::string& pod_id, const std::string& directory, std::uint64_t last_sequence,
                                               MonitorHooks hooks) override;

 private:
  ProgramStarter(MonitorProgram program, std::unique_ptr<MonitorReader> reader, std::chrono::milliseconds timeout)
      : program_(std::move(program)), reader_(std::move(reader)), timeout_(timeout) {}
  Result<std::shared_ptr<MonitorClient>> connect(const std::string& directory, std::uint64_t last_sequence,
                                                 std::chrono::milliseconds timeout, MonitorHooks hooks);

  MonitorProgram program_;
  std::unique_ptr<MonitorReader> reader_;
  std::chrono::milliseconds timeout_;
};

}  // namespace slipway::engine
