// Keeping and finding small files of images.
#include "image/file_cache.h"

#include <algorithm>

namespace slipway::image {
namespace {

constexpr std::size_t kMostFiles = 64;
constexpr std::size_t kMostBytes = 16 << 10;  // of one

}  // namespace

Result<std::string> FileCache::read(const std::string& chain, const std::string& path, std::size_t limit,
                                    const std::function<Result<std::string>()>& look) {
  if (auto kept = find(chain, path, limit)) return *std::move(kept);
  const std::uint64_t before = gone();
  auto read = look();
  keep(chain, path, read, before);
  return read;
}

void FileCache::layers_go() {
  const std::lock_guard lock(mutex_);
  ++gone_;
}

std::uint64_t FileCache::gone() const {
  const std::lock_guard lock(mutex_);
  return gone_;
}

std::optional<Result<std::string>> FileCache::find(const std::string& chain, const std::string& path, std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(files_.begin(), files_.end(), [&](const File& file) { return file.chain == chain && file.path == path; });
  if (found == files_.end() || (found->read.ok() && found->read.value().size() > limit)) return std::nullopt;
  return found->read;
}

void FileCache::keep(const std::string& chain, const std::string& path, const Result<std::string>& read, std::uint64_t gone_before) {
  if (read.ok() ? read.value().size() > kMostBytes : read.error().code != Code::not_found) return;
  const std::lock_guard lock(mutex_);
  if (gone_ != gone_before) return;
  files_.push_front({chain, path, read});
  if (files_.size() > kMostFiles) files_.pop_back();
}

}  // namespace slipway::image
