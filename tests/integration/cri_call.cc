// cri_call ENDPOINT METHOD [JSON]: one CRI call as text, for the integration cases.
//
// METHOD is a name of runtime.v1's services (RunPodSandbox), or one of containerd's with its service
// (containerd.services.tasks.v1.Tasks/Get), called in the namespace $CRI_CALL_NAMESPACE, where that is set; the request is proto JSON with
// proto field names, "-" reads it from standard input. The reply goes to standard output as JSON, of a server stream each message as it
// comes, a line each. Exit 0; a failed call prints "CODE: message" and exits 1; wrong usage is 2. CRI_CALL_DEADLINE_MS: give up after that
// long.
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

#include <google/protobuf/wrappers.pb.h>

#include "containerd/containers.pb.h"
#include "containerd/tasks.pb.h"
#include "containerd/version.pb.h"
#include "tests/integration/cri_method.h"

using namespace slipway::test;

namespace {

using Method = const google::protobuf::MethodDescriptor&;

std::string path_of(Method method) {
  return "/" + method.service()->full_name() + "/" + method.name();
}

// The one event that was asked for; false: it failed.
bool next(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool done = false;
  return queue.Next(&tag, &done) && done;
}

// The specification is JSON under a type that is no message: it is shown as the text it is.
void show_spec(google::protobuf::Message& reply) {
  auto* got = dynamic_cast<containerd::services::containers::v1::GetContainerResponse*>(&reply);
  if (got == nullptr || !got->container().has_spec()) return;
  google::protobuf::StringValue text;
  text.set_value(got->container().spec().value());
  got->mutable_container()->mutable_spec()->PackFrom(text);
}

bool print(const grpc::ByteBuffer& bytes, Method method) {
  grpc::ByteBuffer copy = bytes;
  grpc::ProtoBufferReader reader(&copy);
  const auto reply = make(method.output_type());
  std::string out;
  if (!reply->ParseFromZeroCopyStream(&reader)) return false;
  show_spec(*reply);
  if (!to_text(*reply, out)) return false;
  std::printf("%s\n", out.c_str());
  std::fflush(stdout);
  return true;
}

grpc::Status call_unary(grpc::GenericStub& stub, grpc::ClientContext& context, Method method, const google::protobuf::Message& request) {
  grpc::CompletionQueue queue;
  const auto running = stub.PrepareUnaryCall(&context, path_of(method), to_buffer(request), &queue);
  running->StartCall();
  grpc::ByteBuffer bytes;
  grpc::Status status;
  running->Finish(&bytes, &status, nullptr);
  if (!next(queue)) return {grpc::StatusCode::INTERNAL, "the completion queue ended"};
  if (status.ok() && !print(bytes, method)) return {grpc::StatusCode::INTERNAL, "the reply is not a " + method.output_type()->full_name()};
  return status;
}

grpc::Status call_stream(grpc::GenericStub& stub, grpc::ClientContext& context, Method method, const google::protobuf::Message& request) {
  grpc::CompletionQueue queue;
  const auto running = stub.PrepareCall(&context, path_of(method), &queue);
  running->StartCall(nullptr);
  bool good = next(queue);
  if (good) {
    running->WriteLast(to_buffer(request), grpc::WriteOptions(), nullptr);
    good = next(queue);
  }
  while (good) {
    grpc::ByteBuffer bytes;
    running->Read(&bytes, nullptr);
    good = next(queue);
    if (good && !print(bytes, method)) return {grpc::StatusCode::INTERNAL, "a message is not a " + method.output_type()->full_name()};
  }
  grpc::Status status;
  running->Finish(&status, nullptr);
  return next(queue) ? status : grpc::Status(grpc::StatusCode::INTERNAL, "the completion queue ended");
}

grpc::Status call(const std::string& endpoint, Method method, const google::protobuf::Message& request) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(64 << 20);
  grpc::GenericStub stub(grpc::CreateCustomChannel(endpoint, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  if (const char* deadline = std::getenv("CRI_CALL_DEADLINE_MS"))
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(std::atol(deadline)));
  if (const char* name = std::getenv("CRI_CALL_NAMESPACE")) context.AddMetadata("containerd-namespace", name);
  return method.server_streaming() ? call_stream(stub, context, method, request) : call_unary(stub, context, method, request);
}

}  // namespace

int main(int argc, char** argv) {
  (void)containerd::services::tasks::v1::GetRequest::descriptor();  // linked in, so that their services are found by name
  (void)containerd::services::version::v1::VersionResponse::descriptor();
  const auto* method = argc >= 3 && argc <= 4 ? find_method(argv[2]) : nullptr;
  if (method == nullptr) {
    std::fprintf(stderr, "usage: cri_call ENDPOINT METHOD [JSON|-]\n");
    return 2;
  }
  std::string text = argc == 4 ? argv[3] : "{}";
  if (text == "-") text.assign(std::istreambuf_iterator<char>(std::cin), {});
  const auto request = make(method->input_type());
  if (const auto parsed = google::protobuf::util::JsonStringToMessage(text, request.get()); !parsed.ok()) {
    std::fprintf(stderr, "cri_call: %s\n", parsed.ToString().c_str());
    return 2;
  }
  const grpc::Status status = call(argv[1], *method, *request);
  if (!status.ok()) {
    std::fprintf(stderr, "%s: %s\n", code_name(status.error_code()), status.error_message().c_str());
    return 1;
  }
  return 0;
}
