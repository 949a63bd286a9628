// Small files of images that were looked at lately: what a container's user is read from, again and again the same.
//
// An uppermost layer's chain id names the content of the whole stack, so nothing in here grows old. Bounded; any thread.
#pragma once

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

 private:
  std::optional<Result<std::string>> find(const std::string& chain, const std::string& path) const;
  void keep(const std::string& chain, const std::string& path, const Result<std::string>& read);

  struct File {
    std::string chain, path;
    Result<std::string> read;
  };
  mutable std::mutex mutex_;
  std::list<File> files_;  // the latest first
};

}  // namespace slipway::image
