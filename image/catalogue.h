// What the store knows in memory: records by id and name, layers on the disk and their size. Plain data; the store's mutex guards it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/types.h"
#include "image/layout.h"
#include "image/worker_protocol.h"

namespace slipway::image {

class Catalogue {
 public:
  void put(engine::ImageRecord record);
  void remove(const std::string& id);

  const std::map<std::string, engine::ImageRecord>& records() const { return records_; }
  // By id (with or without "sha256:", or a unique prefix of at least 12 digits), tag or digest reference.
  Result<engine::ImageRecord> find(const std::string& reference) const;

  // The records that an image pulled or loaded makes: itself, and those that lose a tag to it.
  std::vector<engine::ImageRecord> merge(const PulledImage& image, UnixNanos now) const;

  // Chains that some record names.
  std::set<std::string> referenced() const;

 private:
  std::map<std::string, engine::ImageRecord> records_;  // by id
  std::map<std::string, std::string> names_;            // repo tag or digest → id
};

}  // namespace slipway::image
