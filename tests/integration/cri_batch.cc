// cri_batch ENDPOINT: CRI calls at once over one connection, for test programs that make many.
//
//   in    TAG DEADLINE_MS METHOD JSON      the call is made as soon as the line is read; "TAG cancel" gives one up
//   out   TAG CODE TEXT                    when it has ended: the reply as JSON on one line, or the message
// Ends when standard input has ended and every call too.
#include <google/protobuf/util/json_util.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>

#include "tests/integration/cri_method.h"

using namespace slipway::test;

namespace {

struct Call {
  std::string tag;
  const google::protobuf::MethodDescriptor* method = nullptr;
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  grpc::ByteBuffer bytes;
  grpc::Status status;
};

class Batch {
 public:
  explicit Batch(const std::string& endpoint) : stub_(channel(endpoint)), thread_([this] { run(); }) {}

  void take(const std::string& line) {
    std::istringstream words(line);
    std::string tag, deadline, name;
    words >> tag >> deadline;
    if (deadline == "cancel") return cancel(tag);
    words >> name;
    std::string text;
    std::getline(words, text);
    auto call = std::make_unique<Call>();
    call->tag = tag;
    call->method = find_method(name);
    if (call->method == nullptr) return print(tag, "INVALID_ARGUMENT", "there is no method " + name);
    const auto request = make(call->method->input_type());
    if (const auto parsed = google::protobuf::util::JsonStringToMessage(text, request.get()); !parsed.ok())
      return print(tag, "INVALID_ARGUMENT", parsed.ToString());
    call->context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(std::stol(deadline)));
    call->reader =
        stub_.PrepareUnaryCall(&call->context, "/" + call->method->service()->full_name() + "/" + name, to_buffer(*request), &queue_);
    Call* const at = call.get();
    const std::lock_guard lock(mutex_);
    calls_.emplace(tag, std::move(call));
    at->reader->StartCall();
    at->reader->Finish(&at->bytes, &at->status, at);
  }

  void finish() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      if (calls_.empty()) queue_.Shutdown();
    }
    thread_.join();
  }

 private:
  static std::shared_ptr<grpc::Channel> channel(const std::string& endpoint) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(64 << 20);
    // slipwayd is killed and started again all the time.
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
    return grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments);
  }

  void cancel(const std::string& tag) {
    const std::lock_guard lock(mutex_);
    if (const auto found = calls_.find(tag); found != calls_.end()) found->second->context.TryCancel();
  }

  void run() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
      settle(*taken(static_cast<const Call*>(tag)->tag));
      const std::lock_guard lock(mutex_);
      if (ending_ && calls_.empty()) queue_.Shutdown();
    }
  }

  // Before its reply is printed: whoever reads that may use the tag again at once.
  std::unique_ptr<Call> taken(const std::string& tag) {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(tag);
    std::unique_ptr<Call> call = std::move(found->second);
    calls_.erase(found);
    return call;
  }

  void settle(const Call& call) {
    if (!call.status.ok()) return print(call.tag, code_name(call.status.error_code()), call.status.error_message());
    const auto reply = make(call.method->output_type());
    grpc::ByteBuffer bytes = call.bytes;
    grpc::ProtoBufferReader reader(&bytes);
    std::string out;
    if (!reply->ParseFromZeroCopyStream(&reader) || !to_text(*reply, out)) return print(call.tag, "INTERNAL", "the reply cannot be read");
    print(call.tag, "OK", out);
  }

  void print(const std::string& tag, const std::string& code, std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    const std::lock_guard lock(printing_);
    std::printf("%s %s %s\n", tag.c_str(), code.c_str(), text.c_str());
    (void)std::fflush(stdout);
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  std::mutex mutex_, printing_;
  std::map<std::string, std::unique_ptr<Call>> calls_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    (void)std::fprintf(stderr, "usage: cri_batch ENDPOINT\n");
    return 2;
  }
  Batch batch(argv[1]);
  for (std::string line; std::getline(std::cin, line);) batch.take(line);
  batch.finish();
  return 0;
}
