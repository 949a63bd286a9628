// CRI methods by name, their messages as proto JSON with proto field names: what cri_call and cri_batch share.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status_code_enum.h>

#include <memory>
#include <string>

#include "cri/v1/api.pb.h"

namespace slipway::test {

inline const google::protobuf::MethodDescriptor* find_method(const std::string& name) {
  const auto* file = runtime::v1::VersionRequest::descriptor()->file();
  for (int i = 0; i < file->service_count(); ++i)
    if (const auto* method = file->service(i)->FindMethodByName(name)) return method;
  const std::size_t slash = name.find('/');  // "containerd.services.tasks.v1.Tasks/Get"
  const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name.substr(0, slash));
  return service == nullptr || slash == std::string::npos ? nullptr : service->FindMethodByName(name.substr(slash + 1));
}

inline std::unique_ptr<google::protobuf::Message> make(const google::protobuf::Descriptor* type) {
  return std::unique_ptr<google::protobuf::Message>(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

inline const char* code_name(grpc::StatusCode code) {
  static constexpr const char* kNames[] = {"OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
                                           "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
                                           "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
                                           "DATA_LOSS", "UNAUTHENTICATED"};
  return code >= 0 && code <= 16 ? kNames[code] : "?";
}

inline grpc::ByteBuffer to_buffer(const google::protobuf::Message& message) {
  const std::string bytes = message.SerializeAsString();
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

inline bool to_text(const google::protobuf::Message& message, std::string& out) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  return google::protobuf::util::MessageToJsonString(message, &out, options).ok();
}

}  // namespace slipway::test
