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
  auto kept = find(chain, path);
  if (kept && (!kept->ok() || kept->value().size() <= limit)) return *std::move(kept);
  auto read = look();
  if (!kept) keep(chain, path, read);
  return read;
}

std::optional<Result<std::string>> FileCache::find(const std::string& chain, const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(files_.begin(), files_.end(), [&](const File& file) { return file.chain == chain && file.path == path; });
  if (found == files_.end()) return std::nullopt;
  return found->read;
}

void FileCache::keep(const std::string& chain, const std::string& path, const Result<std::string>& read) {
  if (read.ok() ? read.value().size() > kMostBytes : read.error().code != Code::not_found) return;
  const std::lock_guard lock(mutex_);
  files_.push_front({chain, path, read});
  if (files_.size() > kMostFiles) files_.pop_back();
}

}  // namespace slipway::image
