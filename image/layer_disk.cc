// Layers on the disk.
#include "image/layer_disk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>

#include "base/ids.h"
#include "base/log.h"
#include "base/time.h"
#include "sys/file.h"

namespace slipway::image {
namespace {

constexpr std::int64_t kOrphanSeconds = 3600;

}  // namespace

Result<LayerDisk> LayerDisk::open(UniqueFd layers) {
  LayerDisk disk(std::move(layers));
  if (const auto swept = disk.sweep(disk.rescan()); !swept.ok()) log::warn("{}", swept.error().message);
  return disk;
}

std::vector<std::string> LayerDisk::rescan() {
  std::vector<std::string> rubbish;
  const auto names = sys::list_directory(dir_);
  if (!names.ok()) {
    log::warn("image store: {}", names.error().message);
    return rubbish;
  }
  for (const std::string& name : names.value()) {
    if (!is_chain(name)) {
      rubbish.push_back(name);
      continue;
    }
    if (has(name)) continue;
    const auto r = read(name);
    if (r.ok()) continue;
    log::warn("image store: layer {} is not valid and goes: {}", name, r.error().message);
    // By another name, since the next worker may make it anew while this one is being removed.
    if (const std::string leftover = detach_name(name); !leftover.empty()) rubbish.push_back(leftover);
  }
  return rubbish;
}

std::string LayerDisk::detach_name(const std::string& chain) const {
  std::string leftover = chain + std::string(kTemporary) + make_id().substr(0, 16);
  if (::renameat(dir_.get(), chain.c_str(), dir_.get(), leftover.c_str()) == 0) return leftover;
  log::warn("image store: layer {} stays: {}", chain, errno_error(errno, "rename").message);
  return {};
}

Result<void> LayerDisk::read(const std::string& chain) {
  TRY_ASSIGN(const LayerInfo info, read_marker(dir_, chain));
  struct stat marker {
  }, fs{};
  if (::fstatat(dir_.get(), (chain + "/" + kMarker).c_str(), &marker, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fstatat(dir_.get(), (chain + "/" + kLayerFs).c_str(), &fs, AT_SYMLINK_NOFOLLOW) != 0)
    return fail_errno(errno, "stat layer {}", chain);
  if (!S_ISDIR(fs.st_mode)) return fail(Code::data_loss, "layer {} has no directory", chain);
  layers_[chain] = {info, marker.st_mtim.tv_sec, {fs.st_uid, fs.st_gid, fs.st_mode & 07777}};
  return {};
}

Result<void> LayerDisk::learn(const std::vector<std::string>& chains) {
  for (const std::string& chain : chains) {
    auto r = read(chain);
    if (!r.ok()) return fail(Code::data_loss, "layer {} is not in the store: {}", chain, r.error().message);
  }
  return {};
}

std::vector<std::string> LayerDisk::detach(const std::set<std::string>& kept, const std::set<std::string>& now) {
  const std::int64_t seconds = now_realtime() / 1'000'000'000;
  std::vector<std::string> leftovers;
  for (auto layer = layers_.begin(); layer != layers_.end();) {
    const std::string& chain = layer->first;
    const bool young = seconds - layer->second.made < kOrphanSeconds && now.count(chain) == 0;
    if (kept.count(chain) != 0 || young) {
      ++layer;
      continue;
    }
    const std::string leftover = detach_name(chain);
    if (leftover.empty()) {
      ++layer;
      continue;
    }
    leftovers.push_back(leftover);
    layer = layers_.erase(layer);
  }
  return leftovers;
}

Result<void> LayerDisk::sweep(const std::vector<std::string>& leftovers) const {
  Result<void> first;
  for (const std::string& name : leftovers)
    if (auto removed = sys::remove_tree(dir_, name); !removed.ok() && first.ok()) first = std::move(removed);
  return std::move(first).context("image store");
}

LayerInfo LayerDisk::total() const {
  LayerInfo out;
  for (const auto& [chain, layer] : layers_) {
    out.bytes += layer.info.bytes;
    out.inodes += layer.info.inodes;
  }
  return out;
}

}  // namespace slipway::image
