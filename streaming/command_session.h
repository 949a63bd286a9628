// One exec or attach: the client's channels on one side, the process's streams on the other.
//
//   client channels open → the engine starts or attaches (on a job's thread) → pumps → the process ends → status → the connection closes
//   client gone          → the pumps stop, the streams are destroyed (on a job's thread): an exec's process is killed
//
// Loop thread only. It keeps itself through its wire and ends with it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "base/result.h"
#include "engine/process_streams.h"
#include "streaming/command_wire.h"
#include "streaming/jobs.h"

namespace slipway::streaming {

struct CommandStart {
  CommandChannels channels;
  // Runs on a job's thread.
  std::function<Result<std::unique_ptr<engine::ProcessStreams>>()> open;
  std::chrono::seconds creation;  // for the client to open its channels
};

void run_command_session(const boost::asio::any_io_executor& loop, Jobs& jobs, std::shared_ptr<CommandWire> wire, CommandStart start);

}  // namespace slipway::streaming
