// CRI messages → engine values. Pure: no system call, no look-up; what a message alone shows to be wrong is refused here.
//
// Every refusal is invalid_argument and names the field, its value and the reason. Fields that Windows alone uses are refused
// when set. What needs the host or the image (does a path exist, is a group known) is the engine's to judge.
#pragma once

#include "base/result.h"
#include "cri/v1/api.pb.h"
#include "engine/types.h"

namespace slipway::cri {

namespace v1 = ::runtime::v1;

// from_proto_pod.cc
Result<engine::PodSpec> from_proto(const v1::RunPodSandboxRequest& request);

// from_proto_container.cc
Result<engine::ContainerSpec> from_proto(const v1::ContainerConfig& config);
// "SIGTERM", "SIGRTMIN+3"; empty for SIGNAL_RUNTIME_DEFAULT.
Result<std::string> from_proto(v1::Signal signal);

// from_proto_security.cc
Result<engine::SecurityContext> from_proto(const v1::LinuxSandboxSecurityContext& context);
Result<engine::SecurityContext> from_proto(const v1::LinuxContainerSecurityContext& context);
Result<engine::LinuxResources> from_proto(const v1::LinuxContainerResources& resources);
Result<std::vector<oci::IdMapping>> from_proto(const google::protobuf::RepeatedPtrField<v1::IDMapping>& mappings);

// Text that ends in files, paths and arguments: NUL and, with `one_line`, every control character is refused.
Result<void> check_text(std::string_view field, std::string_view value, bool one_line = true);
// A proto3 enum may carry any number.
Result<void> check_enum(std::string_view field, bool valid, int value);

template <class Map>
std::map<std::string, std::string> to_map(const Map& map) {
  return {map.begin(), map.end()};
}

template <class Repeated>
auto to_vector(const Repeated& items) {
  return std::vector<typename Repeated::value_type>(items.begin(), items.end());
}

}  // namespace slipway::cri
