// Port forwarding over SPDY (straight or within WebSocket messages): pairs of streams, each pair a connection to a port of the pod.
//
//   SYN_STREAM {streamtype: error, port, requestid}    a pair is complete when both are there, then the port is dialled;
//   SYN_STREAM {streamtype: data,  port, requestid}    why it could not be is told on the error stream
//
// A reset, or a failure, ends its pair; the others go on. Loop thread only; it keeps itself through its transport and ends with it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "base/unique_fd.h"
#include "streaming/jobs.h"
#include "streaming/transport.h"

namespace slipway::streaming {

struct ForwardStart {
  std::function<Result<UniqueFd>(std::uint32_t port)> dial;  // runs on a job's thread
  std::chrono::seconds creation;                             // for the second stream of a pair
};

void run_port_forward(const boost::asio::any_io_executor& loop, Jobs& jobs, std::shared_ptr<Transport> transport, ForwardStart start);

}  // namespace slipway::streaming
