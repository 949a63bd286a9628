// The files of an image archive by name: a directory, or a tar file that is indexed once and then read where each file lies.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "image/stream.h"

namespace slipway::image {

class Archive {
 public:
  virtual ~Archive() = default;
  // `path` is a directory, a tar file, or one packed by gzip or zstd, which is unpacked into a nameless file in `scratch` first.
  static Result<std::unique_ptr<Archive>> open(const std::string& path, FdRef scratch, std::uint64_t limit);

  // An open file and the part of it that is meant. not_found where there is none of the name.
  struct Part {
    UniqueFd file;
    std::uint64_t offset = 0, size = 0;
  };
  virtual Result<Part> part(const std::string& name) const = 0;

  bool has(const std::string& name) const { return part(name).ok(); }
  Result<std::string> text(const std::string& name, std::size_t limit) const;
  Result<void> read(const std::string& name, const Sink& sink) const;
};

}  // namespace slipway::image
