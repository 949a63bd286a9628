// Where things lie beneath the image store's root: the one place that knows the names.
//
//   ROOT/images.db              records (SQLite), written by slipwayd only
//   ROOT/layers/CHAIN/fs        an unpacked layer: one overlay lower directory
//   ROOT/layers/CHAIN/.complete its marker, written after all of fs/ is on the disk; without it the layer is rubbish
//   ROOT/layers/CHAIN.lock      held (flock) by the slipway-image that unpacks this layer
//   ROOT/layers/*.tmp-*         being unpacked or deleted; rubbish when nobody works
//   ROOT/empty                  the lower directory of an image without layers
//   ROOT/containers/ID/upper, work, layers    a container's writable part, and the chain ids its root stands on
//
// CHAIN is the 64 hex digits of the layer's chain id (image-spec config.md): layers with equal parents and content are shared.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::image {

inline constexpr const char* kLayersDirectory = "layers";
inline constexpr const char* kContainersDirectory = "containers";
inline constexpr const char* kEmptyDirectory = "empty";
inline constexpr const char* kLayerFs = "fs";
inline constexpr const char* kMarker = ".complete";
inline constexpr const char* kLayersFile = "layers";  // of a container
inline constexpr const char* kUpper = "upper";
inline constexpr const char* kWork = "work";
inline constexpr std::string_view kTemporary = ".tmp-";
inline constexpr std::string_view kLock = ".lock";

// What a marker says: the layer's measure, so that nobody walks it again.
struct LayerInfo {
  std::uint64_t bytes = 0;  // on the disk
  std::uint64_t inodes = 0;
};

// Of a layer's root directory, and so of the root of a container whose topmost layer it is.
struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0755;
};

bool is_chain(std::string_view name);  // 64 lower-case hex digits

std::string marker_text(const LayerInfo& info);
Result<LayerInfo> parse_marker(std::string_view text);

// not_found: no such layer, or one without a marker. `layers` is ROOT/layers.
Result<LayerInfo> read_marker(FdRef layers, const std::string& chain);

// Makes ROOT and the directories in it, all 0700: nobody else reads images' or containers' files.
Result<UniqueFd> make_root(const std::string& root);

}  // namespace slipway::image
