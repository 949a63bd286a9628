// From a posted piece of work to a gRPC reply: how every unary handler ends.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <stop_token>
#include <string_view>

#include "base/result.h"
#include "cri/workers.h"

namespace slipway::cri {

// Codes are gRPC's own numbers. A message is cut at 4 KiB of valid UTF-8: it travels in a header.
grpc::Status to_status(const Error& error);

// Runs `work` in the lane; request and response live until the reply is sent. A full queue is answered at once. A failure is logged
// under the name of the handler that calls this (a built-in of both compilers; clang 14 has no std::source_location).
grpc::ServerUnaryReactor* answer(Workers& workers, Lane lane, grpc::CallbackServerContext* context, std::function<Result<void>()> work,
                                 const char* handler = __builtin_FUNCTION());

// The same for work that can end early: `gone` says that the client has cancelled the call, let its deadline pass or died.
grpc::ServerUnaryReactor* answer_while_wanted(Workers& workers, Lane lane, std::function<Result<void>(const std::stop_token& gone)> work,
                                              const char* handler = __builtin_FUNCTION());

// The reply to a call that slipway does not have; `what` is the sentence's subject.
grpc::ServerUnaryReactor* not_there(grpc::CallbackServerContext* context, std::string_view what);

}  // namespace slipway::cri
