// Mounts of images: which image each of them means, and what the monitor is told of its layers.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/host_facts.h"
#include "engine/ports.h"
#include "slipway/monitor.pb.h"

namespace slipway::engine {

struct ImageVolume {
  ImageRecord image;
  std::string source;  // of the mount in config.json: a name in the bundle that nothing is at
  std::string sub_path;
  std::string target;
};

// Puts the ids of the images into `mounts`, and the names in the bundle into what they were resolved to. An image that is not here is an
// error: nobody pulls it now.
Result<std::vector<ImageVolume>> find_image_volumes(const Images& images, const std::string& bundle, std::vector<Mount>& mounts,
                                                    std::vector<ResolvedMount>& resolved);

// The layers stay as long as the container's root, which must be there.
Result<void> add_image_volumes(Images& images, const std::vector<ImageVolume>& volumes, const std::string& container_id,
                               monitor::CreateContainer& request);

}  // namespace slipway::engine
