// From a posted piece of work to a gRPC reply: how every unary handler ends.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>

#include "base/result.h"
#include "cri/workers.h"
#include "engine/stage_note.h"

namespace slipway::cri {

// Codes are gRPC's own numbers. A message is cut at 4 KiB of valid UTF-8: it travels in a header.
grpc::Status to_status(const Error& error);

// Runs `work` in the lane; request and response live until the reply is sent. A full queue is answered at once. What only reads the
// snapshot runs right here, on gRPC's thread: to wake another one would take longer than it. A failure is logged
// under the name of the handler that calls this (a built-in of both compilers; clang 14 has no std::source_location).
grpc::ServerUnaryReactor* answer(Workers& workers, Lane lane, grpc::CallbackServerContext* context, std::function<Result<void>()> work,
                                 const char* handler = __builtin_FUNCTION());

// A call that is answered once: by its work, or, a moment before its client gives up, by the word what the work is busy with. The client's
// own library would only say that time is up. The work goes on then, and the kubelet calls again and joins it; or it is told by `gone`, as
// by a client that cancels the call or dies.
class TimedCall {
 public:
  TimedCall(grpc::CallbackServerContext* context, Lane lane, const char* handler, std::optional<std::stop_source> gone = {});
  TimedCall(const TimedCall&) = delete;
  TimedCall& operator=(const TimedCall&) = delete;

  // Both at most once. `call` is this, as its owners share it.
  static void give_time(const std::shared_ptr<TimedCall>& call);
  void finish(const Result<void>& result, const std::function<void()>& fill_reply);

  engine::StageWatch watch;

  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

 private:
  void time_is_up();

  const std::optional<std::stop_source> gone_;
  grpc::ServerUnaryReactor* const reactor_;
  const Lane lane_;
  const char* const handler_;
  const std::chrono::system_clock::time_point begun_, deadline_;  // the client's
  std::mutex mutex_;
  bool answered_ = false;
  grpc::Alarm alarm_;
};

// `work` takes a request and a reply of its own: gRPC's are gone once the call is answered.
template <class Request, class Response, class Work>
grpc::ServerUnaryReactor* answer_in_time(Workers& workers, Lane lane, grpc::CallbackServerContext* context, const Request* request,
                                         Response* response, Work work, const char* handler, std::optional<std::stop_source> gone = {}) {
  struct Call : TimedCall {
    using TimedCall::TimedCall;
    Request request;
    Response reply;
  };
  const auto call = std::make_shared<Call>(context, lane, handler, std::move(gone));
  call->request = *request;
  const auto fill = [response, held = call.get()] { *response = std::move(held->reply); };
  const auto posted = workers.post(lane, [call, work = std::move(work), fill] {
    const engine::StageWatch::Scope scope(call->watch);
    call->finish(work(call->request, call->reply), fill);
  });
  auto* reactor = call->reactor();
  if (!posted.ok()) {
    call->finish(posted, fill);
  } else {
    TimedCall::give_time(call);
  }
  return reactor;
}

// The same for work that ends with its client: it takes a third argument, which says that the client has gone.
template <class Request, class Response, class Work>
grpc::ServerUnaryReactor* answer_while_wanted(Workers& workers, Lane lane, grpc::CallbackServerContext* context, const Request* request,
                                              Response* response, Work work, const char* handler = __builtin_FUNCTION()) {
  std::stop_source gone;
  auto with_token = [work = std::move(work), token = gone.get_token()](const Request& asked, Response& reply) {
    return work(asked, reply, token);
  };
  return answer_in_time(workers, lane, context, request, response, std::move(with_token), handler, std::move(gone));
}

// The reply to a call that slipway does not have; `what` is the sentence's subject.
grpc::ServerUnaryReactor* not_there(grpc::CallbackServerContext* context, std::string_view what);

}  // namespace slipway::cri
