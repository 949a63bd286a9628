// From a posted piece of work to a gRPC reply: how every unary handler ends.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <source_location>
#include <stop_token>
#include <string_view>

#include "base/result.h"
#include "cri/workers.h"

namespace slipway::cri {

// Codes are gRPC's own numbers. A message is cut at 4 KiB of valid UTF-8: it travels in a header.
grpc::Status to_status(const Error& error);

// Runs `work` in the lane; request and response live until the reply is sent. A full queue is answered at once. A failure is logged
// under the name of the handler, which is where `from` is.
grpc::ServerUnaryReactor* answer(Workers& workers, Lane lane, grpc::CallbackServerContext* context, std::function<Result<void>()> work,
                                 const std::source_location& from = std::source_location::current());

// The same for work that can end early: `gone` says that the client has cancelled the call, let its deadline pass or died.
grpc::ServerUnaryReactor* answer_while_wanted(Workers& workers, Lane lane, std::function<Result<void>(const std::stop_token& gone)> work,
                                              const std::source_location& from = std::source_location::current());

// "virtual grpc::ServerUnaryReactor* slipway::cri::RuntimeService::Status(…)" → "Status"
std::string_view name_of(const std::source_location& from);

// The reply to a call that slipway does not have; `what` is the sentence's subject.
grpc::ServerUnaryReactor* not_yet(grpc::CallbackServerContext* context, std::string_view what);

}  // namespace slipway::cri
