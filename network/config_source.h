// The directory of CNI configurations: which network pods get now, read again when a file there changes.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "network/config.h"

namespace slipway::network {

// Thread-safe. Looking costs one directory listing and a stat per candidate, at each call.
class ConfigSource {
 public:
  explicit ConfigSource(std::string directory) : directory_(std::move(directory)) {}

  // The first of *.conf, *.conflist, *.json in lexical order. If that one is broken it is an error that names it: pods must
  // not silently land in another network. No file, no directory: not_found.
  Result<std::shared_ptr<const NetworkConfig>> current();

 private:
  Result<NetworkConfig> load(const std::string& file) const;

  const std::string directory_;
  std::mutex mutex_;
  std::string seen_;  // name, inode, size and times of the file that `loaded_` was read from
  Result<std::shared_ptr<const NetworkConfig>> loaded_ = fail(Code::not_found, "nothing was read");
};

}  // namespace slipway::network
