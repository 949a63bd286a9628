// Small files of images that were looked at lately: what a container's user is read from, again and again the same.
//
// An uppermost layer's chain id names the content of the whole stack, so nothing in here grows old. What was looked up while layers went
// away must not come in: it would be told for as long as slipwayd runs. Bounded; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"

namespace slipway::image {

class FileCache {
 public:
  // As it was kept, else by `look`, whose result is kept if it is a small text, or that there is no such file.
  Result<std::string> read(const std::string& chain, const std::string& path, std::size_t limit,
                           const std::function<Result<std::string>()>& look);

  // Layers have lost their names, and from now on their files: what is being looked up is not kept.
  void layers_go();

 private:
  std::optional<Result<std::string>> find(const std::string& chain, const std::string& path, std::size_t limit) const;
  std::uint64_t gone() const;
  void keep(const std::string& chain, const std::string& path, const Result<std::string>& read, std::uint64_t gone_before);

  struct File {
    std::string chain, path;
    Result<std::string> read;
  };
  mutable std::mutex mutex_;
  std::list<File> files_;  // the latest first
  std::uint64_t gone_ = 0;
};

}  // namespace slipway::image
