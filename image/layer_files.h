// Looks into an image through its layers, as overlayfs would show it, without mounting anything.
//
// Whiteouts and opaque directories hide what is below; symbolic links are followed inside the image only, a bounded number of times.
// Owner of its descriptors; one thread at a time.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace slipway::image {

bool is_whiteout(mode_t mode, dev_t device);  // a character device 0:0

class LayerStack {
 public:
  explicit LayerStack(std::vector<UniqueFd> roots) : roots_(std::move(roots)) {}  // topmost first
  // `layers` is ROOT/layers; chains base first.
  static Result<LayerStack> open(FdRef layers, const std::vector<std::string>& chains);

  // not_found: absent; failed_precondition: no regular file; resource_exhausted: longer than `limit` or too many links.
  Result<std::string> read_file(const std::string& path, std::size_t limit) const;

  // That a directory or a regular file is there. not_found, failed_precondition, resource_exhausted as above.
  Result<void> check_path(const std::string& path) const;

  // The topmost layer's directory at exactly this path, no links followed: whose attributes the image shows. not_found otherwise.
  Result<UniqueFd> directory(const std::string& path) const;

  // Names in the root directory of any layer.
  Result<std::vector<std::string>> root_names() const;

 private:
  // The same directory in every layer that shows it, topmost first.
  using Level = std::vector<UniqueFd>;
  struct Found {
    Level dirs;     // a directory
    UniqueFd file;  // or the topmost entry that is none, O_PATH
  };
  static Result<Found> look_up(const Level& in, const std::string& name);
  Result<Found> walk(const std::string& path) const;
  Result<Level> top() const;

  std::vector<UniqueFd> roots_;  // topmost first
};

}  // namespace slipway::image
