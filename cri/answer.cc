// How a Result becomes a gRPC status.
#include "cri/answer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.h"

namespace slipway::cri {
namespace {

// Of a call's deadline: when its client is told what the work is busy with.
constexpr std::chrono::hours kLongest(24);
constexpr std::chrono::milliseconds kShortest(10), kShort(200), kLeastMargin(50), kMostMargin(1000);
constexpr std::size_t kMessageLimit = 4096;  // grpc's default limit of all metadata is 8 KiB

// Bytes that are no UTF-8 would be refused by clients in other languages.
std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size() && out.size() < kMessageLimit;) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = c < 0x80 ? 1 : c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
    bool valid = length != 0 && c < 0xf5 && i + length <= text.size();
    for (std::size_t k = 1; valid && k < length; ++k) valid = (static_cast<unsigned char>(text[i + k]) & 0xc0) == 0x80;
    if (!valid) {
      out += '?';
      ++i;
      continue;
    }
    out.append(text.substr(i, length));
    i += length;
  }
  return out;
}

void log_failure(std::string_view call, Lane lane, const Error& error) {
  // That something asked about is not there is a client's daily business; that an operation missed something is not.
  const bool daily =
      error.code == Code::unimplemented || error.code == Code::cancelled || (error.code == Code::not_found && lane != Lane::operate);
  if (daily) {
    log::debug("{}: {}: {}", call, to_string(error.code), error.message);
  } else {
    log::warn("{}: {}: {}", call, to_string(error.code), error.message);
  }
}

// Tells the work that its client has gone. Owns itself until OnDone, which comes after Finish.
class Wanted final : public grpc::ServerUnaryReactor {
 public:
  explicit Wanted(std::stop_source gone) : gone_(std::move(gone)) {}
  void OnCancel() override { gone_.request_stop(); }
  void OnDone() override { delete this; }

 private:
  std::stop_source gone_;
};

// Sends the reply: the call's last step.
auto finisher(grpc::ServerUnaryReactor* reactor, Lane lane, const char* handler) {
  return [reactor, lane, handler](const Result<void>& result) {
    if (!result.ok()) log_failure(handler, lane, result.error());
    reactor->Finish(result.ok() ? grpc::Status::OK : to_status(result.error()));
  };
}

}  // namespace

grpc::Status to_status(const Error& error) {
  return {static_cast<grpc::StatusCode>(error.code), printable(error.message)};
}

grpc::ServerUnaryReactor* answer(Workers& workers, Lane lane, grpc::CallbackServerContext* context, std::function<Result<void>()> work,
                                 const char* handler) {
  auto* reactor = context->DefaultReactor();
  const auto finish = finisher(reactor, lane, handler);
  if (lane == Lane::read) {
    finish(work());
    return reactor;
  }
  const auto posted = workers.post(lane, [finish, work = std::move(work)] { finish(work()); });
  if (!posted.ok()) finish(posted);
  return reactor;
}

TimedCall::TimedCall(grpc::CallbackServerContext* context, Lane lane, const char* handler, std::optional<std::stop_source> gone)
    : gone_(std::move(gone)),
      reactor_(gone_ ? new Wanted(*gone_) : context->DefaultReactor()),
      lane_(lane),
      handler_(handler),
      begun_(std::chrono::system_clock::now()),
      deadline_(context->deadline()) {}

void TimedCall::give_time(const std::shared_ptr<TimedCall>& call) {
  const auto given = call->deadline_ - call->begun_;
  if (given > kLongest || given < kShortest) return;  // none, or there is nothing to take from it
  const auto usual = std::clamp<std::chrono::system_clock::duration>(given / 20, kLeastMargin, kMostMargin);
  const auto margin = given < kShort ? given / 4 : usual;
  const std::lock_guard lock(call->mutex_);
  if (call->answered_) return;
  call->alarm_.Set(call->deadline_ - margin, [weak = std::weak_ptr(call)](bool rang) {
    const auto still = weak.lock();
    if (rang && still != nullptr) still->time_is_up();
  });
}

void TimedCall::time_is_up() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(answered_, true)) return;
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() - begun_).count();
  const std::string stage = watch.text();
  const Error error = fail(Code::deadline_exceeded, "{}, and {}; its client waits no longer",
                           stage.empty() ? fmt::format("{} is at work since {} s", handler_, seconds) : stage, gone_ ? "ends" : "goes on");
  if (gone_) (void)std::stop_source(*gone_).request_stop();
  log_failure(handler_, lane_, error);
  reactor_->Finish(to_status(error));
}

void TimedCall::finish(const Result<void>& result, const std::function<void()>& fill_reply) {
  {
    const std::lock_guard lock(mutex_);
    const bool first = !std::exchange(answered_, true);
    if (!first) {
      if (!result.ok()) log_failure(handler_, lane_, result.error());
      return;
    }
  }
  if (result.ok()) fill_reply();
  finisher(reactor_, lane_, handler_)(result);
  alarm_.Cancel();  // after the reply: it wakes a thread of gRPC's
}

grpc::ServerUnaryReactor* not_there(grpc::CallbackServerContext* context, std::string_view what) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish({grpc::StatusCode::UNIMPLEMENTED, fmt::format("slipway does not have {}", what)});
  return reactor;
}

}  // namespace slipway::cri
