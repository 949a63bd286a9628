// How a Result becomes a gRPC status.
#include "cri/answer.h"

#include <string>
#include <utility>

#include "base/log.h"

namespace slipway::cri {
namespace {

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
  std::stop_token gone() const { return gone_.get_token(); }
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
  const auto posted = workers.post(lane, [finish, work = std::move(work)] { finish(work()); });
  if (!posted.ok()) finish(posted);
  return reactor;
}

grpc::ServerUnaryReactor* answer_while_wanted(Workers& workers, Lane lane, std::function<Result<void>(const std::stop_token&)> work,
                                              const char* handler) {
  auto* reactor = new Wanted();
  const auto finish = finisher(reactor, lane, handler);
  const auto posted = workers.post(lane, [finish, gone = reactor->gone(), work = std::move(work)] { finish(work(gone)); });
  if (!posted.ok()) finish(posted);
  return reactor;
}

grpc::ServerUnaryReactor* not_there(grpc::CallbackServerContext* context, std::string_view what) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish({grpc::StatusCode::UNIMPLEMENTED, fmt::format("slipway does not have {}", what)});
  return reactor;
}

}  // namespace slipway::cri
