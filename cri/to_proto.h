// Engine values → CRI messages. Pure; what the kubelet refuses when empty (ids, metadata, created_at, image) is always set.
#pragma once

#include "cri/v1/api.pb.h"
#include "engine/engine.h"
#include "engine/types.h"

namespace slipway::cri {

namespace v1 = ::runtime::v1;

// to_proto_pod.cc
v1::PodSandboxState to_proto(engine::PodState state);
v1::PodSandboxStatus to_status(const engine::PodRecord& pod);
v1::PodSandboxMetadata to_metadata(const engine::PodMetadata& metadata);

// to_proto_container.cc
v1::ContainerState to_proto(engine::ContainerState state);
v1::ContainerMetadata to_metadata(const engine::ContainerMetadata& metadata);
v1::ImageSpec to_image(const engine::ContainerSpec& spec);
// `image` is what its image_id means now; null when it has been removed.
v1::ContainerStatus to_status(const engine::ContainerRecord& container, const engine::ImageRecord* image);
v1::LinuxContainerResources to_proto(const engine::LinuxResources& resources);
v1::Signal to_signal(std::string_view name);

// Cut where both streams together would not fit into a message that the kubelet takes (16 MiB): each keeps at least half of it.
v1::ExecSyncResponse to_proto(engine::ExecOutput output);

inline constexpr std::size_t kMessageLimit = 16 << 20;  // the kubelet's own, for either direction

// to_proto_stats.cc
v1::ContainerStats to_stats(const engine::ContainerUsage& usage);
v1::PodSandboxStats to_stats(const engine::PodUsage& usage);

// to_proto_image.cc
v1::Image to_proto(const engine::ImageRecord& image);
v1::FilesystemUsage to_proto(const engine::FsUsage& usage);

// filter.cc. Every part that is set must match; ids by prefix, labels each.
bool matches(const v1::PodSandboxFilter& filter, const engine::PodRecord& pod);
bool matches(const v1::ContainerFilter& filter, const engine::ContainerRecord& container);
bool matches(const v1::ContainerStatsFilter& filter, const engine::ContainerRecord& container);
bool matches(const v1::PodSandboxStatsFilter& filter, const engine::PodRecord& pod);

}  // namespace slipway::cri
