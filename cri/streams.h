// Server streams: a list sent in messages of bounded size.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/support/server_callback.h>

#include <string>
#include <utility>
#include <vector>

#include "cri/answer.h"

namespace slipway::cri {

inline constexpr std::size_t kItemsPerMessage = 1000;
inline constexpr std::size_t kBytesPerMessage = 1 << 20;  // then the next one begins: the kubelet takes 16 MiB, an item is far from that

inline std::size_t wire_size(const google::protobuf::Message& item) {
  return item.ByteSizeLong();
}
inline std::size_t wire_size(const std::string& item) {  // in its wire form already (list_item.h)
  return item.size();
}

// Owns itself until OnDone. `begin` is called once, from a worker.
template <class Response>
class ListStream final : public grpc::ServerWriteReactor<Response> {
 public:
  void begin(std::vector<Response> messages) {
    messages_ = std::move(messages);
    next();
  }
  void refuse(const Error& error) { this->Finish(to_status(error)); }
  void OnWriteDone(bool ok) override { ok ? next() : this->Finish(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }

 private:
  void next() {
    if (sent_ == messages_.size()) return this->Finish(grpc::Status::OK);
    this->StartWrite(&messages_[sent_++]);
  }

  std::vector<Response> messages_;
  std::size_t sent_ = 0;
};

// Runs `list` on a worker: it returns the items, `add` makes room for one in a message.
template <class Response, class List, class Add>
grpc::ServerWriteReactor<Response>* stream_list(Workers& workers, Lane lane, List list, Add add) {
  auto* stream = new ListStream<Response>();
  const auto posted = workers.post(lane, [stream, list = std::move(list), add] {
    std::vector<Response> messages;
    std::size_t items = 0, bytes = 0;
    for (auto& item : list()) {
      if (messages.empty() || ++items == kItemsPerMessage || bytes > kBytesPerMessage) {
        messages.emplace_back();
        items = bytes = 0;
      }
      bytes += wire_size(item);
      *add(messages.back()) = std::move(item);
    }
    stream->begin(std::move(messages));
  });
  if (!posted.ok()) stream->refuse(posted.error());
  return stream;
}

}  // namespace slipway::cri
