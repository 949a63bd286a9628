// cri_call ENDPOINT METHOD [JSON]: one unary CRI call as text, for the integration cases.
//
// METHOD is a name of runtime.v1's services (RunPodSandbox); the request is proto JSON with proto field names, "-" reads it from
// standard input. The reply goes to standard output as JSON. Exit 0; a failed call prints "CODE: message" and exits 1; wrong usage is 2.
// CRI_CALL_DEADLINE_MS: give up after that long.
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "tests/integration/cri_method.h"

using namespace slipway::test;

namespace {

grpc::Status call(const std::string& endpoint, const google::protobuf::MethodDescriptor& method, const google::protobuf::Message& request,
                  google::protobuf::Message& reply) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(64 << 20);
  grpc::GenericStub stub(grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  if (const char* deadline = std::getenv("CRI_CALL_DEADLINE_MS"))
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(std::atol(deadline)));
  grpc::CompletionQueue queue;
  const auto running =
      stub.PrepareUnaryCall(&context, "/" + method.service()->full_name() + "/" + method.name(), to_buffer(request), &queue);
  running->StartCall();
  grpc::ByteBuffer bytes;
  grpc::Status status;
  running->Finish(&bytes, &status, nullptr);
  void* tag = nullptr;
  bool done = false;
  if (!queue.Next(&tag, &done)) return {grpc::StatusCode::INTERNAL, "the completion queue ended"};
  if (!status.ok()) return status;
  grpc::ProtoBufferReader reader(&bytes);
  if (!reply.ParseFromZeroCopyStream(&reader))
    return {grpc::StatusCode::INTERNAL, "the reply is not a " + method.output_type()->full_name()};
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  const auto* method = argc >= 3 && argc <= 4 ? find_method(argv[2]) : nullptr;
  if (method == nullptr) {
    std::fprintf(stderr, "usage: cri_call ENDPOINT METHOD [JSON|-]\n");
    return 2;
  }
  std::string text = argc == 4 ? argv[3] : "{}";
  if (text == "-") text.assign(std::istreambuf_iterator<char>(std::cin), {});
  const auto request = make(method->input_type());
  const auto reply = make(method->output_type());
  if (const auto parsed = google::protobuf::util::JsonStringToMessage(text, request.get()); !parsed.ok()) {
    std::fprintf(stderr, "cri_call: %s\n", parsed.ToString().c_str());
    return 2;
  }
  const grpc::Status status = call(argv[1], *method, *request, *reply);
  if (!status.ok()) {
    std::fprintf(stderr, "%s: %s\n", code_name(status.error_code()), status.error_message().c_str());
    return 1;
  }
  std::string out;
  if (!to_text(*reply, out)) return 1;
  std::printf("%s\n", out.c_str());
  return 0;
}
