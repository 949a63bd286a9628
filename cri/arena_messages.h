// Request and reply of a call on an arena of their own: a list of a full node is thousands of small strings and map entries, and to give
// each back by itself took half of the call's processor time.
//
// Owner: the service, for as long as gRPC serves it. Thread: any; each call has an arena of its own.
#pragma once

#include <google/protobuf/arena.h>
#include <grpcpp/support/message_allocator.h>

namespace slipway::cri {

template <class Request, class Response>
class ArenaMessages final : public grpc::MessageAllocator<Request, Response> {
 public:
  grpc::MessageHolder<Request, Response>* AllocateMessages() override { return new Holder; }

 private:
  // gRPC ends it by Release, once the reply is on its way.
  class Holder final : public grpc::MessageHolder<Request, Response> {
   public:
    Holder() {
      this->set_request(google::protobuf::Arena::CreateMessage<Request>(&arena_));
      this->set_response(google::protobuf::Arena::CreateMessage<Response>(&arena_));
    }
    void Release() override { delete this; }

   private:
    static google::protobuf::ArenaOptions in_blocks() {
      google::protobuf::ArenaOptions options;
      options.start_block_size = 4096;
      options.max_block_size = 256 << 10;
      return options;
    }
    google::protobuf::Arena arena_{in_blocks()};
  };
};

}  // namespace slipway::cri
