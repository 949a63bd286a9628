// Image volumes of a container.
#include "engine/op/image_volumes.h"

namespace slipway::engine {
namespace {

// The kubelet tells such a failure by the beginning of the message: nothing may be put in front of it.
Error failed(const std::string& target, Error error) {
  return std::move(error).within("ImageVolumeMountFailed: the image volume at '{}'", target);
}

}  // namespace

Result<std::vector<ImageVolume>> find_image_volumes(const Images& images, const std::string& bundle, std::vector<Mount>& mounts,
                                                    std::vector<ResolvedMount>& resolved) {
  std::vector<ImageVolume> volumes;
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    Mount& mount = mounts[i];
    if (mount.image.empty()) continue;
    auto image = images.find(mount.image);
    if (!image.ok()) return failed(mount.container_path, std::move(image).error());
    if (!mount.image_sub_path.empty()) {
      auto there = images.check_path(image.value(), mount.image_sub_path).context("sub path");
      if (!there.ok()) return failed(mount.container_path, std::move(there).error());
    }
    mount.image_ref = image.value().id;
    resolved[i].source = fmt::format("{}/volumes/{}", bundle, i);
    volumes.push_back({std::move(image).take(), resolved[i].source, mount.image_sub_path, mount.container_path});
  }
  return volumes;
}

Result<void> add_image_volumes(Images& images, const std::vector<ImageVolume>& volumes, const std::string& container_id,
                               monitor::CreateContainer& request) {
  for (const ImageVolume& volume : volumes) {
    auto lower = images.hold(volume.image, container_id);
    if (!lower.ok()) return failed(volume.target, std::move(lower).error());
    monitor::ImageVolume& out = *request.add_image_volumes();
    out.set_source(volume.source);
    for (const std::string& layer : lower.value()) out.add_lower(layer);
    out.set_sub_path(volume.sub_path);
  }
  return {};
}

}  // namespace slipway::engine
